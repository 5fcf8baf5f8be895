"""From images to a model file: search, select, retrain, export, on scikit-learn's digits.

    python examples/end_to_end.py FOLDER

Takes a few minutes on two cores and leaves ``model.onnx``, ``model.pt2``, ``model.safetensors``
and ``model.json`` in the folder. Started again it goes on where it was: the search is stored
there, too, and so are the training's checkpoints.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import time

import numpy as np
import onnxruntime
import optuna

import optuna_popnas as popnas
from optuna_popnas.training.retraining import RetrainEpoch


# Digits must not be mirrored, and an epoch is only a dozen steps long: averages over one epoch.
PROXY = popnas.TrainingConfig(epochs=9, flip=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_formatter)
    parser.add_argument("folder", type=Path, help="where the study and the model go")
    parser.add_argument("--quick", action="store_true", help="only show that it all works")
    arguments = parser.parse_args()
    folder, quick = arguments.folder, arguments.quick
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()

    # One image in five is set aside: no decision below depends on it.
    data = popnas.load_dataset("digits", test_fraction=0.2)

    # 1. Search cells of up to two blocks, with small networks trained briefly.
    operators = ["identity", "3x3 dconv", "1x3-3x1 conv", "3x3 conv", "1x1 conv", "2x2 maxpool"]
    space = popnas.SearchSpace(operators[-2:] if quick else operators, max_blocks=2)
    study = optuna.create_study(
        study_name="digits",
        storage=f"sqlite:///{folder / 'study.db'}",
        load_if_exists=True,
        directions=["maximize", "minimize"],
        sampler=popnas.POPNASSampler(space, budget_seconds=5 if quick else 120, seed=0),
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective = popnas.TrainingObjective(
        space,
        data,
        network=popnas.NetworkConfig(motifs=2, filters=4 if quick else 8),
        training=popnas.TrainingConfig.from_dict({**PROXY.to_dict(), "epochs": 2})
        if quick
        else PROXY,
    )
    study.optimize(objective)
    print(f"Search: {len(study.trials)} cells in {time.monotonic() - begin:.0f} s")

    # 2. Select the most accurate cell.
    chosen = popnas.select(study)
    print(f"Selected: {chosen.cell}")
    print(f"  validation accuracy {chosen.accuracy:.3f} in {chosen.seconds:.2f} s of training")

    # 3. Retrain it to convergence, as a larger network.
    assert chosen.cell is not None
    model = popnas.retrain(
        chosen.cell,
        data,
        network=popnas.NetworkConfig(motifs=2, filters=4 if quick else 16, drop_path=0.1),
        training=popnas.TrainingConfig(
            epochs=2 if quick else 62,  # periods of 2, 4, 8, 16 and 32 epochs
            restart_epochs=2,
            flip=False,
            label_smoothing=0.1,
        ),
        folder=folder,
        on_epoch=show,
    )
    print(f"Retrained: {model.card()['parameters']:,} parameters")
    print("Confusion matrix of the test images (rows: true digit):")
    print(model.confusion)

    # 4. Export. Each file's logits are compared with the network's on the test images.
    files = popnas.export(model, folder, images=data).files
    print(f"Exported: {', '.join(sorted(path.name for path in files.values()))}")

    # 5. The ONNX file alone is all that is needed to use the model.
    assert data.test_labels is not None
    images = np.asarray(data.test_images, dtype=np.float32) / 255
    session = onnxruntime.InferenceSession(str(files["onnx"]))
    (logits,) = session.run(["logits"], {"images": images})
    by_onnx = float(np.mean(logits.argmax(axis=1) == data.test_labels))
    by_torch = model.figures["test_accuracy"]
    print(f"Test accuracy by PyTorch:      {by_torch:.4f}")
    print(f"Test accuracy by ONNX Runtime: {by_onnx:.4f}")
    print(f"Everything took {time.monotonic() - begin:.0f} s")
    if by_onnx != by_torch:
        raise SystemExit("The two must be equal.")


def show(report: RetrainEpoch) -> None:
    """Print one line per period of the learning rate."""
    if (report.epoch + 2) & (report.epoch + 1) == 0:
        print(
            f"  epoch {report.epoch:3d}: loss {report.loss:.3f}, validation accuracy "
            f"{report.accuracy:.3f} (best {report.best:.3f}), {report.seconds:.0f} s"
        )


_formatter = argparse.RawDescriptionHelpFormatter


if __name__ == "__main__":
    main()
