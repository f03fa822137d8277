"""PyTorch itself: channels_last, eager or torch.compile; a plain loop that adds up the loss, without accuracy."""

import time

import torch
from protocol import serve
from torch import nn


class Network(nn.Module):
    """Network A. Its dense layer sees pixels in Keras's order, which costs nothing in channels_last."""

    def __init__(self, rate):
        super().__init__()

        def conv(c, o, k):
            return nn.Conv2d(c, o, k, padding="same"), nn.ReLU(), nn.BatchNorm2d(o, eps=1e-3, momentum=0.01)

        def pool():
            return nn.MaxPool2d(2), nn.Dropout(0.25 * rate)

        large = *conv(1, 32, 5), *conv(32, 32, 5), *pool()
        small = *conv(32, 64, 3), *conv(64, 64, 3), *pool()
        dense = nn.Linear(3136, 256), nn.ReLU(), nn.BatchNorm1d(256, eps=1e-3, momentum=0.01), nn.Dropout(0.5 * rate)
        self.images = nn.Sequential(*large, *small)
        self.vectors = nn.Sequential(*dense, nn.Linear(256, 10))

    def forward(self, x):
        return self.vectors(self.images(x).permute(0, 2, 3, 1).flatten(1))

    def set_weights(self, weights):
        """From Keras's list: kernels (KH, KW, C, O) and (I, O), each with its bias; gamma, beta, mean, variance."""
        weights = [torch.from_numpy(w) for w in weights]
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.weight.copy_(weights.pop(0).permute(3, 2, 0, 1))
                    layer.bias.copy_(weights.pop(0))
                elif isinstance(layer, nn.Linear):
                    layer.weight.copy_(weights.pop(0).T)
                    layer.bias.copy_(weights.pop(0))
                elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    for own in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                        own.copy_(weights.pop(0))
        assert not weights


class Torch:
    def __init__(self, problem, compile):
        self.problem, self.compile = problem, compile
        self.x, self.x_predict = (
            torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            for a in (problem.x, problem.x_predict)
        )
        self.y = torch.from_numpy(problem.y.argmax(1))
        self.model, self.optimizer = self._made(rate=1.0)
        self.loss = nn.CrossEntropyLoss()

    def _made(self, rate, optimizer="Adam", learning_rate=1e-3):
        model = Network(rate)
        model.set_weights(self.problem.weights)
        model = model.to(memory_format=torch.channels_last)
        options = {"eps": 1e-7} if optimizer == "Adam" else {}
        rule = getattr(torch.optim, optimizer)(model.parameters(), lr=learning_rate, **options)
        return (torch.compile(model) if self.compile else model), rule

    def describe(self):
        return {"versions": {"torch": torch.__version__}, "threads": f"{torch.get_num_threads()} threads"}

    def _step(self, model, optimizer, x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = self.loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def train(self, steps):
        self.model.train()
        size, total = self.problem.batch_size, torch.zeros(())
        start = time.perf_counter()
        order = torch.randperm(steps * size)
        for i in range(steps):
            rows = order[i * size : (i + 1) * size]
            total += self._step(self.model, self.optimizer, self.x[rows], self.y[rows])
        loss = total.item() / steps
        return (time.perf_counter() - start) / steps, loss

    def predict(self):
        self.model.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            found = torch.cat([self.model(batch).softmax(1) for batch in self.x_predict.split(1000)]).numpy()
        seconds = time.perf_counter() - start
        assert found.shape == (len(self.x_predict), 10)
        return seconds

    def agree(self, optimizer, learning_rate):
        model, optimizer = self._made(0.0, optimizer, learning_rate)
        model.train()
        size = self.problem.batch_size
        batches = [slice(i * size, (i + 1) * size) for i in range(self.problem.agreement_steps)]
        return [self._step(model, optimizer, self.x[rows], self.y[rows]).item() for rows in batches]


serve(Torch)
