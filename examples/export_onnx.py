"""Train on the digits, export to ONNX, run by onnxruntime, and once more with whole numbers of 8 bits.

    pip install -e ".[onnx]" && python examples/export_onnx.py

int8: onnxruntime runs the float network on some training images, notes how large every value gets, and stores weights
and values as whole numbers of that scale (post-training static quantization): a quarter of the bytes.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import minicnn
from minicnn import layers
from minicnn.commands.parser import Parser


class Images(CalibrationDataReader):
    """Batches of 32 for the calibration."""

    def __init__(self, name: str, x: np.ndarray):
        self.batches = iter([{name: x[i : i + 32]} for i in range(0, len(x), 32)])

    def get_next(self):
        return next(self.batches, None)


def main(argv=None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/onnx"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, default=None, help="training images at most")
    arguments = parser.parse_args(argv)

    (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
    x, y = x[: arguments.limit].astype(np.float32) / 255, y[: arguments.limit]
    x_test = x_test.astype(np.float32) / 255
    model = minicnn.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
    ], seed=1)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=arguments.epochs, verbose=2)

    arguments.out.mkdir(parents=True, exist_ok=True)
    path, prepared, small = (arguments.out / f"digits{end}.onnx" for end in ("", ".prepared", ".int8"))
    model.export(path)
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantize_static(prepared, small, Images(model.input_names[0], x[:256]), quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True)  # fmt: skip
    prepared.unlink()

    found, own = {}, model.predict(x_test, verbose=0)
    for name, file in {"float32": path, "int8": small}.items():
        session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
        (p,) = session.run(None, {session.get_inputs()[0].name: x_test})
        found[name] = {"bytes": file.stat().st_size, "accuracy": round(float((p.argmax(1) == y_test).mean()), 4),
                       "largest difference": float(abs(p - own).max())}  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
