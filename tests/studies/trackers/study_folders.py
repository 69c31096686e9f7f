"""Studies as they lie on disk, without a training."""

from pathlib import Path

from segkit.studies.trackers.tracking import Ended

METRICS = """step,seconds,loss,learning_rate,waiting,dice,dice_liver
1,0.5,1.25,0.001,0.01,,
2,1.0,1.0,0.001,0.01,,
2,1.5,,,,0.4,0.4
3,2.0,0.75,0.0005,0.01,,
3,2.5,,,,0.625,0.625
"""


def ended_trial(study: Path, name: str, *, dice: float = 0.625, state: str = "finished", rate: str = "0.001") -> Ended:
    """Return a trial of two settings whose run folder holds what a training leaves."""
    run = study / name
    (run / "evaluation").mkdir(parents=True, exist_ok=True)
    (run / "metrics.csv").write_text(METRICS)
    (run / "config.yaml").write_text("seed: 1\n")
    (run / "evaluation" / "summary.json").write_text("{}\n")
    settings = {"optimizer.lr": rate, "network": "unet"}
    return Ended(name, run, settings, state, {"dice": dice, "seconds": 2.5})
