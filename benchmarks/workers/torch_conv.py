"""PyTorch's convolution, for the ladder: prints seconds of forward passes as JSON.  N SIZE CHANNELS FILTERS WINDOW"""

import json
import sys
import time

import torch

n, size, channels, filters, window = map(int, sys.argv[1:])
x = torch.randn(n, channels, size, size).contiguous(memory_format=torch.channels_last)
conv = torch.nn.Conv2d(channels, filters, window, padding=window // 2, bias=False).to(memory_format=torch.channels_last)
seconds = []
with torch.inference_mode():
    for _ in range(45):
        start = time.perf_counter()
        conv(x)
        seconds.append(time.perf_counter() - start)
print(json.dumps({"version": torch.__version__.split("+")[0], "seconds": seconds[5:]}))
