"""``optuna-popnas predictors``: Table 5.4 on a study's own cells."""

from __future__ import annotations

from json import dumps

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study


def run(
    *,
    output: str | None = None,
    markdown: bool = False,
    json: bool = False,
    storage: str | None = None,
    study: str | None = None,
) -> int:
    """Compare time predictors on a study's own cells (Table 5.4 of the thesis).

    Each is fitted to the levels below b and predicts level b: NNLS, Ridge, XGBoost where it is
    installed, CatBoost and the library's default. CatBoost's random search takes a minute.

    Args:
        output: Write the correlations of the time features (Fig. 5.2) as an HTML page.
        markdown: Print Markdown.

    Examples:
        optuna-popnas predictors -o features.html
    """
    from optuna_popnas.cli.text import titled
    from optuna_popnas.study import view_study
    from optuna_popnas.study.tables import is_deep
    from optuna_popnas.study.tables import judge_time_predictors
    from optuna_popnas.study.tables import time_predictor_table

    view = view_study(load_study(storage, study))
    if not is_deep(view):
        raise ConfigError(
            f"The study {view.study_name!r} must have cells of two blocks with training times, "
            "but has none yet. Search on."
        )
    judged = judge_time_predictors(view)
    if output is not None:
        from optuna_popnas.visualization import plot_feature_correlation

        plot_feature_correlation(view).write_html(output)
    if json:
        print(dumps({n: {b: q._asdict() for b, q in r.items()} for n, r in judged.items()}))
        return 0
    entry = time_predictor_table(judged)
    print(entry.to_markdown() if markdown else titled(entry))
    if output is not None:
        print(f"\nWritten: {output}")
    return 0
