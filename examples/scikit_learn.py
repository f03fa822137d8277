"""A network among scikit-learn's estimators: scaled in a Pipeline, its settings searched by GridSearchCV.

    python examples/scikit_learn.py
"""

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import minicnn
from minicnn import layers
from minicnn.commands.parser import Parser
from minicnn.sklearn import MiniCNNClassifier


def network(input_shape: tuple, outputs: int, filters: int = 4) -> minicnn.Sequential:
    """What the estimator builds once it has seen the data; `filters` is searched as model__filters."""
    return minicnn.Sequential([
        layers.Input(input_shape), layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(outputs, activation="softmax"),
    ])  # fmt: skip


def scaled(x):
    return x / 255


def main(argv=None) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=600, help="training images at most")
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args(argv)

    (x, y), _, (x_test, y_test) = minicnn.data.digits.split(seed=2)
    classifier = MiniCNNClassifier(network, epochs=arguments.epochs, optimizer="adam", random_state=1)
    pipeline = make_pipeline(FunctionTransformer(scaled), classifier)
    grid = {"minicnnclassifier__model__filters": [4, 8], "minicnnclassifier__optimizer__learning_rate": [0.001, 0.01]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x[: arguments.limit], y[: arguments.limit])
    print(f"best of {len(search.cv_results_['params'])}: {search.best_params_}")
    print(f"accuracy {search.score(x_test, y_test):.4f} on {len(y_test)} rows")


if __name__ == "__main__":
    main()
