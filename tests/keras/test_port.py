"""minicnn port: only import lines change, and what will not run is named with its line."""

import json

import numpy as np
import pytest

from minicnn.__main__ import main
from minicnn.commands.port import ported
from minicnn.errors import DataError
from minicnn.keras import tf

LINES = {
    "import keras": "import minicnn.keras as keras",
    "import keras as k": "import minicnn.keras as k",
    "import keras.backend as K": "import minicnn.keras.backend as K",
    "import keras.utils": "import minicnn.keras.utils, minicnn.keras as keras",
    "import tensorflow as tf": "from minicnn.keras import tf",
    "import tensorflow": "from minicnn.keras import tf as tensorflow",
    "import tensorflow.keras as keras": "import minicnn.keras as keras",
    "from tensorflow import keras": "from minicnn import keras",
    "from keras import backend as K": "from minicnn.keras import backend as K",
    "from keras.models import Sequential": "from minicnn.keras.models import Sequential",
    "from tensorflow.keras.layers import *": "from minicnn.keras.layers import *",
    "from tensorflow.python.keras.layers import Dense": "from minicnn.keras.layers import Dense",
    "from tf_keras.layers import (Dense,  # why\n  ReLU)": "from minicnn.keras.layers import (Dense,  # why\n  ReLU)",
    "if True:\n    from keras.utils import np_utils": "if True:\n    from minicnn.keras.utils import np_utils",
    "from keras.api.layers import Dense": "from minicnn.keras.api.layers import Dense",
    "from keras.src.legacy.preprocessing.image import ImageDataGenerator":
        "from minicnn.keras.src.legacy.preprocessing.image import ImageDataGenerator",
    "import numpy as np": "import numpy as np",
    "from kerasx import y": "from kerasx import y",
    "from .keras import y": "from .keras import y",
    "x = 'import keras'": "x = 'import keras'",
}


@pytest.mark.parametrize("line", LINES)
def test_lines(line):
    assert ported(line + "\n") == (LINES[line] + "\n", [])


def test_what_will_not_run_is_named_with_its_line():
    source = "from keras.layers import Dense, LSTM\nimport keras\n\nDense(3)\nx = keras.layers.GRU(3)\nLSTM(1)\n"
    _, complaints = ported(source)
    assert [(c.line, c.what.split(";")[0]) for c in complaints] == [
        (5, "minicnn.keras: minicnn has no keras.layers.GRU"), (6, "minicnn.keras: minicnn has no keras.layers.LSTM"),
    ]  # fmt: skip
    assert ported("from tensorflow import keras, data\n")[1]
    assert [c.line for c in ported("import tensorflow as tf\n\ntf.data.TFRecordDataset\n")[1]] == [3]


def test_the_command(tmp_path, capsys):
    script = tmp_path / "a.py"
    script.write_text("from keras.layers import Dense\nprint(Dense(3))\n")
    assert main(["port", str(script)]) == 0
    assert (tmp_path / "a.minicnn.py").read_text() == "from minicnn.keras.layers import Dense\nprint(Dense(3))\n"
    assert "every name is here" in capsys.readouterr().out
    script.write_text("from keras.layers import LSTM\n\nLSTM(3)\n")
    assert main(["port", str(script), "--out", str(tmp_path / "b.py")]) == 1
    assert f"{script}:3: minicnn.keras: minicnn has no keras.layers.LSTM" in capsys.readouterr().out
    assert main(["port", str(tmp_path / "none.py")]) == 2
    script.write_text("def f(:\n")
    assert main(["port", str(script)]) == 2
    assert "in line 1" in capsys.readouterr().err
    assert main(["port", str(script), "--out", str(tmp_path / "no" / "where.py")]) == 2


def test_a_notebook_keeps_all_but_its_import_lines(tmp_path):
    code = ["%matplotlib inline\n", "!pip install x\n", "from keras.models import Sequential\n", "Sequential()"]
    cells = [{"cell_type": "markdown", "source": ["import keras"], "metadata": {}},
             {"cell_type": "code", "source": code, "metadata": {"a": 1}, "outputs": [], "execution_count": 3},
             {"cell_type": "code", "source": "import keras", "metadata": {}, "outputs": []}]  # fmt: skip
    document = {"cells": cells, "metadata": {"é": 1}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "n.ipynb").write_text(json.dumps(document), "utf-8")
    assert main(["port", str(tmp_path / "n.ipynb")]) == 0
    new = json.loads((tmp_path / "n.minicnn.ipynb").read_text("utf-8"))
    code[2] = "from minicnn.keras.models import Sequential\n"
    cells[2]["source"] = "import minicnn.keras as keras"
    assert new == document
    (tmp_path / "n.ipynb").write_text("{}")
    assert main(["port", str(tmp_path / "n.ipynb")]) == 2


def test_no_python():
    with pytest.raises(DataError, match=r"expected Python, received .* in line 7"):
        ported("x = (\n", first_line=7)


def test_what_scripts_use_of_tensorflow():
    tf.random.set_seed(3)
    assert tf.config.list_physical_devices("GPU") == []
    tf.config.experimental.set_memory_growth(None, True)
    assert tf.keras.layers.Dense(2).units == 2
    x = np.array([[1.0, -2.0], [3.0, 0.0]])
    np.testing.assert_allclose(tf.reduce_mean(tf.square(x), axis=1), [2.5, 4.5])
    np.testing.assert_allclose(tf.nn.relu(x), x.clip(0))
    np.testing.assert_allclose(tf.cast(x > 0, tf.float32), x > 0)
    np.testing.assert_allclose(tf.math.divide_no_nan(tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0])), [0, 0.5])

    @tf.function
    def double(x):
        return 2 * x

    assert double(2) == 4
    with tf.device("/GPU:0"):
        pass
    with pytest.raises(NotImplementedError, match=r"minicnn has no tf\.data\.TFRecordDataset"):
        tf.data.TFRecordDataset(x)


def test_what_is_imported_is_looked_for_also_where_it_is_not_used():
    lines = ["from keras.layers import LSTM, Dense\n", "from keras.layers import Embeding\n", "Dense(3)\n"]
    _, complaints = ported("".join(lines))
    assert [c.line for c in complaints] == [1, 2]
    assert "keras.layers.LSTM" in complaints[0].what
    assert complaints[0].what.endswith(": imported, and not used")
    assert complaints[1].what == "module 'minicnn.keras.layers' has no attribute 'Embeding': this import fails"


def test_steps_of_a_models_own():
    source = """from tensorflow import keras
from tensorflow.keras.models import Model
import torch
class Net(keras.Model):
    def call(self, x):
        return x
class Step(Model):
    def train_step(self, data):
        return {}
    def predict_step(self, data):
        return {}
f = lambda a, b: (a, b)
g = f(1, 2) if f else None
class Other(torch.Model):
    def predict_step(self, data):
        return {}
"""
    (complaint,) = ported(source)[1]
    assert complaint.line == 10
    assert "Step.predict_step: minicnn does not call it" in complaint.what
