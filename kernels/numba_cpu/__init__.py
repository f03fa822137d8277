"""Float32 kernels for CPUs, compiled by Numba on first use and kept on disk. The definition of each is in numpy_ref."""

import os

# A thread that waits for the others spins, by default for milliseconds, and beside another busy process that keeps the
# last thread from the core it needs. 10,000 turns are 100 to 300 us on a Zen 4. Measured for a step of network A on two
# cores: alone 52 ms either way, beside one competitor 123 ms instead of 253. GNU OpenMP reads it when Numba first loads
# it.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from .activation import bias_grad as bias_grad
from .activation import relu as relu
from .activation import relu_bias_grad as relu_bias_grad
from .activation import relu_grad as relu_grad
from .conv import conv2d as conv2d
from .conv import conv2d_folded as conv2d_folded
from .conv import conv2d_input_grad as conv2d_input_grad
from .conv import conv2d_weight_grad as conv2d_weight_grad
from .conv_norm import batch_norm_conv2d_weight_grad as batch_norm_conv2d_weight_grad
from .conv_pool import conv2d_max_pool as conv2d_max_pool
from .conv_pool import conv2d_max_pool_grad as conv2d_max_pool_grad
from .dense import dense as dense
from .dense import dense_input_grad as dense_input_grad
from .dense import dense_weight_grad as dense_weight_grad
from .depthwise import depthwise_conv2d as depthwise_conv2d
from .depthwise import depthwise_conv2d_input_grad as depthwise_conv2d_input_grad
from .depthwise import depthwise_conv2d_weight_grad as depthwise_conv2d_weight_grad
from .loss import softmax as softmax
from .loss import softmax_cross_entropy as softmax_cross_entropy
from .norm import batch_norm as batch_norm
from .norm import batch_norm_grad as batch_norm_grad
from .norm import batch_norm_stats as batch_norm_stats
from .norm_pool import batch_norm_max_pool as batch_norm_max_pool
from .norm_pool import batch_norm_max_pool_grad as batch_norm_max_pool_grad
from .optimizer import adadelta_step as adadelta_step
from .optimizer import adagrad_step as adagrad_step
from .optimizer import adam_step as adam_step
from .optimizer import adamax_step as adamax_step
from .optimizer import ftrl_step as ftrl_step
from .optimizer import lion_step as lion_step
from .optimizer import nadam_step as nadam_step
from .optimizer import rmsprop_step as rmsprop_step
from .optimizer import sgd_step as sgd_step
from .plan_report import plan_conv2d as plan_conv2d
from .pool import average_pool as average_pool
from .pool import average_pool_grad as average_pool_grad
from .pool import max_pool as max_pool
from .pool import max_pool_grad as max_pool_grad
from .random import dropout as dropout
from .random import philox as philox
from .smooth import activate as activate
from .smooth import activate_grad as activate_grad
from .warp import affine_warp as affine_warp
