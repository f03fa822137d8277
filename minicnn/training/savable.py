"""The methods of a model that write and read files. What the files hold is minicnn/saving."""

import json
import os
from typing import Any

from .. import arguments
from ..arguments import flag
from ..core.symbol import Symbol
from ..errors import ArgumentError, ArgumentTypeError, NotBuiltError, UnsupportedError, require
from ..notes import note
from ..saving import save, serialize
from ..saving.build import build
from ..saving.deserialize import Deserializer
from ..structure import to_file
from .graph import check_names
from .guard import changes, reads
from .stack import LayerStack
from .trainer import Trainer

_DESCRIBED = ("name", "input_shape", "layers", "inputs", "steps", "outputs", "keys")  # what get_config says of a model


class Savable(Trainer):
    """save, save_weights, load_weights, to_json, get_config, from_config."""

    _entries: list[Symbol]  # what a graph's inputs are, or the inputs of its own that stand for them

    @reads
    def save(self, path: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the whole model to one file: architecture, weights, optimizer, loss, metrics, training state.

        path       "name.minicnn": a fit after load_model goes on with the same bytes as without the detour, also
                   where it was saved in the middle of an epoch (ModelCheckpoint's save_freq=N): the first epoch of a
                   fit over the same rows, batches and order then does the steps that were left of it;
                   "name.keras": for Keras 3 (needs h5py); of classes and functions of your own it holds the names,
                   for load_model's custom_objects;
                   "name.h5", "name.hdf5": the same for Keras 2 as well
        overwrite  False: a file that exists is an error
        Raises ArgumentError for another suffix and for what cannot be found again by name (a lambda); NotBuiltError.
        Differs from Keras: overwrite=False does not ask on the terminal; an unbuilt model is an error.
        """
        from ..io import keras_files, legacy_h5, model_file

        path, overwrite = model_file.checked(path, "save: path"), flag("save: overwrite", overwrite)
        free = overwrite or not os.path.exists(path)
        require(free, "save", "a new file name", repr(path), "say overwrite=True", error=ArgumentError)
        document = self.check_savable(path)
        if path.endswith(legacy_h5.ENDINGS):
            legacy_h5.save_model(path, document, self.layers, self.optimizer and save.keras_optimizer(self))
        elif path.endswith(model_file.KERAS):
            keras_files.save_model(path, document, self.layers, self.optimizer and save.keras_optimizer(self))
        else:
            model_file.write(path, document, save.arrays(self))

    def check_savable(self, path: str | os.PathLike) -> dict:
        """The document that save(path) would write.  Raises what save would raise, and writes nothing."""
        from ..io import hdf5, keras_config, legacy_h5

        fix = "call build((None, H, W, C)), or fit it"
        require(self.built, f"save: {self.name}", "a built model", "one without weights", fix, error=NotBuiltError)
        check_names(f"save: {self.name}", self.operations)
        seen: set[int] = set()
        for place, layer in save.placed(self):
            expected, received = "layers that stand in one place each", f"{place} in another place too"
            fix = "give each of them a layer of its own"
            require(id(layer) not in seen, f"save: {self.name}", expected, received, fix, error=ArgumentError)
            seen.add(id(layer))
        save.unique_names(self)
        document = {"class_name": self.class_name, "config": self.get_config(), "dtype": self.backend.dtype.name,
                    "compiled": save.compiled(self), "training": save.training_state(self)}  # fmt: skip
        if self.class_name != "Sequential" or any(isinstance(layer, LayerStack) for layer in self.operations):
            document["streams"] = save.streams(self)
        if arguments.path("save", path).endswith((".keras", *legacy_h5.ENDINGS)):
            hdf5.h5py()
            own = next((layer.name for _, layer in save.placed(self) if layer.portable), None)
            ok = own is None or os.fspath(path).endswith(".keras")
            expected, fix = "layers that Keras has", "save as .keras or .minicnn"
            require(ok, f"save: {self.name}", expected, f"{own}, of your own", fix, error=ArgumentError)
            keras_config.from_document(document)
        return document

    @reads
    def to_torch_state_dict(self, names: Any = None) -> dict:
        """The weights as a state_dict for the same network in PyTorch: name -> torch.Tensor, copies, float32.

        names  what the modules are called there: None as the layers, a dict from a layer's name, or a list for the
               layers with weights in their order, as in names=["0", "3"]; a SeparableConv2D may have two
        Layouts and names are in saving/torch_weights.py: kernels (O, I, KH, KW), a Dense after Flatten for images
        with channels first. Raises UnsupportedError for what PyTorch has no module for; MissingPackageError.
        """
        from ..saving.torch_weights import to_state_dict

        return to_state_dict(self, names)

    @changes
    def from_torch_state_dict(self, state_dict: Any, names: Any = None) -> None:
        """Take over the weights of the same network in PyTorch, net.state_dict(), or a dict of arrays named like it.

        names  as of to_torch_state_dict
        Everything is checked before a weight changes. Raises WeightsError, which lists what is missing, what is
        unexpected, and both shapes where they differ.
        """
        from ..saving.torch_weights import from_state_dict

        from_state_dict(self, state_dict, names)

    @reads
    def export(self, filepath: str | os.PathLike, format: str | None = None, *, opset: int = 17) -> None:
        """Write what the model computes at inference as an ONNX file, for onnxruntime and others: io/onnx.py.

        filepath  "name.onnx";  format  "onnx" or None;  opset  the version of ONNX's operators, at least 17
        Differs from Keras: ONNX is the only format; an input signature is not asked for, the batch size is open.
        """
        from ..io import onnx

        known = ("tf_saved_model", "litert", "openvino")
        if isinstance(format, str) and format in known:
            raise UnsupportedError(f"export: minicnn has no export to {format}: expected format=\"onnx\"")
        arguments.choice("export: format", format, ("onnx", None))
        onnx.export(self, filepath, opset=opset)

    @reads
    def save_weights(self, path: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the weights alone: "name.safetensors", or "name.weights.h5" for Keras."""
        from ..io.weights import save_weights

        save_weights(self, self._weights_path(path), overwrite=overwrite)

    @changes
    def load_weights(self, path: str | os.PathLike) -> None:
        """Read weights that save_weights, or Keras's, wrote; numbers, shapes and types must agree."""
        from ..io.weights import load_weights

        load_weights(self, self._weights_path(path))

    def _weights_path(self, path):
        """What TensorFlow would call a checkpoint, "weights" or "cp.ckpt", is an HDF5 file here, if `lenient`."""
        if not getattr(self, "lenient", False) or os.path.splitext(arguments.path("weights: path", path))[1] not in (
            "", ".ckpt"
        ):  # fmt: skip
            return path
        note(f"weights {os.fspath(path)!r} are in {os.fspath(path) + '.weights.h5'!r}")
        return os.fspath(path) + ".weights.h5"

    def get_config(self) -> dict:
        """The architecture as plain values: name, input_shape, layers; of a graph also its steps, see graph.py."""
        shapes = [list(one) for one in self.samples_in if one is not None]
        shape = shapes if isinstance(self.sample_in, list) else self.sample_in and shapes[0]
        entries = [serialize.layer_entry(layer) for layer in self.operations]
        config = {"name": self.name, "input_shape": shape, "layers": entries}
        if self.class_name == "Sequential":
            return config
        numbers = {layer: i for i, layer in enumerate(self.operations)}
        entries = [numbers[one.call.layer] for one in self._entries]
        steps = [[numbers[step.layer], list(step.inputs), step.listed, step.training] for step in self.steps]
        return config | {"inputs": entries, "steps": steps, "outputs": list(self.ends),
                         "keys": [*map(to_file, self._templates)]}  # fmt: skip

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None, **options: Any) -> Any:
        """A new model of the architecture that get_config described.  options: seed, device, kernels, threads.

        What the get_config of a class of yours has added goes to its constructor.
        """
        own = cls.get_config is not Savable.get_config and isinstance(config, dict)
        more = {key: value for key, value in config.items() if key not in _DESCRIBED} if own else {}
        return build(config, Deserializer("from_config", custom_objects), cls=cls, **options, **more)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, for model_from_json.  kwargs go to json.dumps: indent=2."""
        document = {"class_name": self.class_name, "format": save.FORMAT, "config": self.get_config()}
        try:
            return json.dumps(document, **kwargs)
        except TypeError as cause:
            expected = "arguments of json.dumps, as indent=2"
            raise ArgumentTypeError(f"to_json: expected {expected}, received {arguments.shown(kwargs)}") from cause
