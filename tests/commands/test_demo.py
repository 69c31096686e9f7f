from segkit.commands import demo as steps
from segkit.config.compose import configure
from segkit.datasets.phantom import Cohort


def test_every_step_keeps_to_the_device(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(steps, "train", lambda config: asked.append(config.device))
    monkeypatch.setattr(steps, "evaluate", lambda config: asked.append(config.device))
    monkeypatch.setattr(steps, "compare_with_intensities", lambda *ignored: None)
    monkeypatch.setattr(steps, "make_cohort", lambda folder, **ignored: Cohort(folder, (), ()))
    monkeypatch.setattr(steps, "next_commands", lambda *ignored: [])
    (tmp_path / "demo" / "cohort").mkdir(parents=True)
    steps.demo(configure("demo", [f"output={tmp_path / 'demo'}", "device=cpu"]))
    assert asked == ["cpu", "cpu"]
