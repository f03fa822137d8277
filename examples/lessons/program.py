# %% [markdown]
# # 5. How a step is fused and recorded
#
# The first step of a training runs on a tape and is written down as a list of ops. From then on the list runs, and
# neighbours in it run as one kernel: what lies between them never goes to memory.

# %%
import numpy as np

import minicnn
from minicnn import layers

(train, train_labels), _, (images, labels) = minicnn.data.digits.split(seed=2)
x, y = train[:32].astype(np.float32) / 255, np.eye(10)[train_labels[:32]]
model = minicnn.Sequential([
    layers.Input((28, 28, 1)), layers.Conv2D(8, 3, activation="relu", name="conv"),
    layers.BatchNormalization(name="norm"), layers.MaxPooling2D(name="pool"), layers.Flatten(name="flat"),
    layers.Dense(10, activation="softmax", name="scores"),
], seed=0)  # fmt: skip
model.compile("sgd", "categorical_crossentropy")

# %% [markdown]
# As it is written down, op by op, with the ReLU already inside the convolution:

# %%
trace = model.trace(x, y, training=True)
for step in trace.steps:
    print(f"{step.op:<22} {', '.join(name for name in step.inputs if name)} -> {step.output}")
ops = [step.op for step in trace.steps]
assert ops[:3] == ["conv2d", "batch_norm", "max_pool"]

# %% [markdown]
# As fit runs it: convolution, ReLU, batch norm and pooling are one node.

# %%
plan = model.plan(32)
nodes = list(dict.fromkeys((row.layer, row.node) for row in plan))
print(nodes)
assert ("conv", "conv_block") in nodes
assert not any(node in ("batch_norm", "max_pool") for _, node in nodes)
assert len(nodes) < len(ops)

# %% [markdown]
# Fusing changes where numbers are kept, not what they are: the step's loss and the weights that it leads to are those
# of the single ops, but for the order in which sums are rounded.

# %%
gradient, before = trace.gradients["scores/kernel"], model.get_layer("scores").get_weights()[0]
loss = model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0).history["loss"][0]
after = model.get_layer("scores").get_weights()[0]
rate = float(model.optimizer.learning_rate)
print(f"loss of the single ops {trace.loss:.7f}, of the fused step {loss:.7f}")
assert abs(loss - trace.loss) < 1e-5
assert np.abs((before - rate * gradient) - after).max() < 1e-6

# %% [markdown]
# ## Question
#
# Who reads conv[5, 6, 1], now that the model predicts, and with which slope? (Batch norm has constants then.)

# %%
answer = "read by batch_norm_fixed -> norm"
model.save("lesson_5.minicnn")
print("minicnn explain lesson_5.minicnn --image 0 --layer conv --pixel 5,6,1")
