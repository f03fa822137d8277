"""PyTorch's training step of network A on a GPU, data resident there; prints one line of JSON.  Started by ../gpu.py.

eager, compile, compile-graphs (torch.compile with CUDA graphs), graph (captured by hand). float32 forbids TF32, tf32
allows it, bf16 is autocast (AMP) with float32 weights. Images are channels_last, Adam is fused.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import nn
from torch_peer import Translator

import minicnn

WARM_UP = 20


class Step:
    """One training step on the next batch of images that lie on the device."""

    def __init__(self, way, batch, precision, device, steps):
        recipe = minicnn.recipes.kaggle_bn
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.batch, self.steps, self.done = batch, steps, 0
        self.autocast = {"device_type": device, "dtype": torch.bfloat16, "enabled": precision == "bf16"}
        rng, n = np.random.default_rng(0), batch * steps  # what is in the images does not matter
        images = torch.from_numpy(rng.random((n, 28, 28, 1), np.float32)).permute(0, 3, 1, 2)
        self.x = images.to(device).contiguous(memory_format=torch.channels_last)
        self.y = torch.from_numpy(rng.integers(0, 10, n)).to(device)
        model = nn.Sequential(*recipe.layers(Translator(), **recipe.options)).to(device)
        self.model = model.to(memory_format=torch.channels_last)
        captured = way == "graph"
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True, capturable=captured)
        self.loss, self.total = nn.CrossEntropyLoss(), torch.zeros((), device=device)
        self.order = torch.randperm(n, device=device)
        modes = {"compile": {}, "compile-graphs": {"mode": "reduce-overhead"}}
        self.run = torch.compile(self.forward, dynamic=False, **modes[way]) if way in modes else self.forward
        if captured:
            self.capture()

    def forward(self, x, y):
        with torch.autocast(**self.autocast):
            return self.loss(self.model(x), y)

    def learn(self, x, y):
        loss = self.run(x, y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.total += loss.detach()

    def capture(self):
        rows = self.order[: self.batch]
        self.held = self.x[rows].contiguous(memory_format=torch.channels_last), self.y[rows]
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                self.learn(*self.held)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        learn = self.learn
        with torch.cuda.graph(self.graph):
            learn(*self.held)

        def replay(x, y):
            self.held[0].copy_(x)
            self.held[1].copy_(y)
            self.graph.replay()

        self.learn = replay

    def __call__(self):
        start = self.done % self.steps * self.batch
        rows = self.order[start : start + self.batch]
        self.learn(self.x[rows], self.y[rows])
        self.done += 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--way", choices=["eager", "compile", "compile-graphs", "graph"], default="eager")
    p.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    p.add_argument("--device", default="cuda")
    for name in ("batch", "steps", "samples"):
        p.add_argument(f"--{name}", type=int, required=True)
    args = p.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu_torch: expected a GPU that PyTorch can use, received none")
    step, seconds = Step(args.way, args.batch, args.precision, args.device, args.steps), []
    step.model.train()
    for _ in range(min(WARM_UP, 2 * args.steps)):
        step()
    for _ in range(args.samples):
        seconds.append(timed(step, args.steps, args.device) / args.steps)
    assert torch.isfinite(step.total).item(), "the loss is not finite"
    name = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(json.dumps({"versions": {"torch": torch.__version__}, "device": name, "seconds": seconds}))


def timed(step, steps, device) -> float:
    """Seconds of `steps` steps, by the device's events."""
    if device != "cuda":
        began = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - began
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    for _ in range(steps):
        step()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


if __name__ == "__main__":
    main()
