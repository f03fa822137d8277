"""One step of each optimizer over flat arrays, in place. Formulas and sources: minicnn/optimizers/."""

from .namespace import namespace


def sgd_step(p, g, slots, *, lr, momentum, nesterov):
    (m,) = slots
    if m is None:
        p -= lr * g
        return
    m *= momentum
    m -= lr * g
    p += momentum * m - lr * g if nesterov else m


def rmsprop_step(p, g, slots, *, lr, rho, momentum, eps):
    (v, m, a), xp = slots, namespace(p)
    v += (1 - rho) * (xp.square(g) - v)
    denominator = v + eps
    if a is not None:
        a += (1 - rho) * (g - a)
        denominator -= xp.square(a)
    step = lr * g / xp.sqrt(denominator)
    if m is not None:
        m *= momentum
        m += step
        step = m
    p -= step


def adam_step(p, g, slots, *, rate, beta_1, beta_2, eps):
    (m, v, vhat), xp = slots, namespace(p)
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (xp.square(g) - v)
    if vhat is not None:
        v = xp.maximum(vhat, v, out=vhat)
    p -= rate * m / (xp.sqrt(v) + eps)


def adagrad_step(p, g, slots, *, lr, eps):
    (a,), xp = slots, namespace(p)
    a += xp.square(g)
    p -= lr * g / xp.sqrt(a + eps)


def adadelta_step(p, g, slots, *, lr, rho, eps):
    (a, d), xp = slots, namespace(p)
    a += (1 - rho) * (xp.square(g) - a)
    u = g * xp.sqrt(d + eps) / xp.sqrt(a + eps)
    d += (1 - rho) * (xp.square(u) - d)
    p -= lr * u


def adamax_step(p, g, slots, *, rate, beta_1, beta_2, eps):
    (m, u), xp = slots, namespace(p)
    m += (1 - beta_1) * (g - m)
    xp.maximum(beta_2 * u, xp.abs(g), out=u)
    p -= rate * m / (u + eps)


def nadam_step(p, g, slots, *, lr, scales, beta_1, beta_2, eps):
    (m, v), (m_scale, g_scale, v_scale), xp = slots, scales, namespace(p)
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (xp.square(g) - v)
    p -= lr * (m_scale * m + g_scale * g) / (xp.sqrt(v_scale * v) + eps)


def lion_step(p, g, slots, *, lr, beta_1, beta_2):
    (m,), xp = slots, namespace(p)
    p -= lr * xp.sign(beta_1 * m + (1 - beta_1) * g)
    m *= beta_2
    m += (1 - beta_2) * g


def ftrl_step(p, g, slots, *, lr, power, penalties, beta):
    (a, z), (l1, l2, shrinkage), xp = slots, penalties, namespace(p)
    new = (a + xp.square(g)) ** power
    z += g + 2 * shrinkage * p - (new - a**power) / lr * p
    a += xp.square(g)
    p[...] = (xp.clip(z, -l1, l1) - z) / ((new + beta) / lr + 2 * l2)
