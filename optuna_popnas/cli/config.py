"""The configuration of a search: TOML file and flags, checked against typed settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING, TypeVar

from optuna_popnas.cli.appendix_b import setting_hint
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.schema import ACCURACY_PREDICTORS
from optuna_popnas.cli.schema import check_value
from optuna_popnas.cli.schema import LSTM_SIZES
from optuna_popnas.cli.schema import settings as known_settings
from optuna_popnas.cli.schema import StudySettings
from optuna_popnas.cli.schema import TIME_PREDICTORS
from optuna_popnas.cli.storages import storage_url
from optuna_popnas.networks.cost import CellCosts
from optuna_popnas.networks.cost import MEASURED_COSTS
from optuna_popnas.search import MODES
from optuna_popnas.search import SearchConfig
from optuna_popnas.search import unused_settings
from optuna_popnas.space import SearchSpace


if TYPE_CHECKING:
    from optuna_popnas.sampler import POPNASSampler
    from optuna_popnas.sampler.predictor_choice import PredictorSpec
    from optuna_popnas.search.models import CostFunction
    from optuna_popnas.space import Cell
    from optuna_popnas.space import CellBatch

_T = TypeVar("_T")


class SearchSettings:
    """All settings of a search, by section; each value is checked.

    Args:
        values: Section -> name -> value; what is missing has its default.
        source: Where the values come from, for messages.

    Raises:
        ConfigError: A section or name is unknown, or a value is of the wrong type or range.
    """

    def __init__(self, values: Mapping[str, Mapping[str, Any]], *, source: str) -> None:
        self.values: Values = {section: {} for section in known_settings()}
        #: What was chosen for a budget, not given, see :mod:`~optuna_popnas.cli.budget`.
        self.picks: Values = {}
        for section, table in values.items():
            if section not in self.values:
                raise ConfigError(_no_section(section, table, source))
            if not isinstance(table, Mapping):
                raise ConfigError(f"`{section}` must be a table, [{section}], in {source}.")
            for name, value in table.items():
                if name not in known_settings()[section]:
                    raise ConfigError(
                        f"`{section}.{name}` is no setting ({source}). {_right(name, section)}"
                    )
                self.values[section][name] = check_value(section, name, value)

    def table(self, section: str) -> dict[str, Any]:
        """Return the values of a section that were given."""
        return dict(self.values[section])

    def build(self, section: str, target: Callable[..., _T]) -> _T:
        """Call ``target`` with the values of a section.

        Raises:
            ConfigError: A value is out of range; the text names the section.
        """
        try:
            return target(**self.values[section])
        except (ValueError, TypeError) as error:
            raise ConfigError(f"[{section}] {error}") from error

    @property
    def study(self) -> StudySettings:
        """The ``[study]`` section."""
        return self.build("study", StudySettings)

    @property
    def storage(self) -> str:
        """URL of the storage."""
        return storage_url(self.study.storage)

    @property
    def study_name(self) -> str:
        """The study's name; that of the data if none was given."""
        return self.study.name or Path(self.data_source).stem or "popnas"

    @property
    def mode(self) -> str:
        """How the search chooses cells."""
        return str(self.values["search"].get("mode", known_settings()["search"]["mode"].default))

    @property
    def data_source(self) -> str:
        """Name or path of the data."""
        return str(self.values["data"].get("source", "digits"))

    def check(self) -> None:
        """Raise ConfigError if any section cannot be built; nothing heavy is loaded."""
        from optuna_popnas.networks import NetworkConfig
        from optuna_popnas.training import MachineConfig
        from optuna_popnas.training import TrainingConfig

        self.build("study", StudySettings)
        self.build("space", SearchSpace)
        self.build("network", NetworkConfig)
        self.build("training", TrainingConfig)
        self.build("machine", MachineConfig)
        self.make_sampler()

    def make_sampler(
        self,
        *,
        time_probe: Callable[[Cell], float] | None = None,
        cost: CostFunction | None = None,
    ) -> POPNASSampler:
        """Return the sampler.

        Raises:
            ConfigError: A value is out of range.
        """
        from optuna_popnas.networks import NetworkConfig
        from optuna_popnas.sampler import POPNASSampler

        values = self.table("search")
        if cost is None and (values.get("limits") or values.get("objectives")):
            cost = _no_cost
        costs, objectives = (*CellCosts._fields, *MEASURED_COSTS), values.get("objectives") or ()
        for name in (*(values.get("limits") or {}), *objectives):
            if name not in costs:
                raise ConfigError(
                    f"[search] Limits and objectives must be among {', '.join(costs)}, "
                    f"but got {name!r}. {nearest(name, costs)}"
                )
        values.update(planned_limits(values))
        self._check_mode()
        probing = values.pop("time_probe", False)
        accuracy, seconds = (
            values.pop(f"{name}_predictor", None) for name in ("accuracy", "time")
        )
        try:
            return POPNASSampler(
                self.build("space", SearchSpace),
                **values,
                seed=self.study.seed,
                time_probe=time_probe if probing else None,
                cost=cost,
                total_cells=self.build("network", NetworkConfig).total_cells,
                accuracy_predictor=self._predictor(accuracy, ACCURACY_PREDICTORS, "lstm"),
                time_predictor=self._predictor(seconds, TIME_PREDICTORS, "catboost"),
            )
        except (ValueError, TypeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"[search] {error}") from error

    def _check_mode(self) -> None:
        """Raise ConfigError if the mode has no use for a setting, or needs another one."""
        from optuna_popnas.networks import NetworkConfig

        mode = self.mode
        for section, unused in unused_in(mode).items():
            for name, reason in unused.items():
                value = self.values[section].get(name)
                usual = getattr(SearchConfig, name, None) if section == "search" else None
                if value and value != usual:
                    raise ConfigError(
                        f"[{section}] `{name}` must be left out in mode {mode!r}, as {reason}, "
                        f"but got {value!r}."
                    )
        join = self.build("network", NetworkConfig).join
        if mode == "popnas-v1" and join != "concat":
            raise ConfigError(
                "[network] `join` must be 'concat' in mode 'popnas-v1' (Sec. 3.4.1), "
                f"but got {join!r}. Set it in the section, or add --network.join concat."
            )

    def _predictor(
        self, name: str | None, known: Mapping[str, str], tuned: str
    ) -> PredictorSpec | None:
        """Return None for the default, or what makes the predictor that was asked for."""
        values = self.table(tuned)
        if name is None and not values:
            return None
        if name is not None and name not in known:
            raise ConfigError(
                f"[search] A predictor must be one of {', '.join(known)}, but got {name!r}. "
                f"{nearest(name, known)}"
            )
        if values and name not in (None, tuned):
            raise ConfigError(f"[{tuned}] is set, but the predictor is {name!r}. Remove one.")
        from functools import partial

        from optuna_popnas import predictors

        cls: Callable[..., Any] = getattr(predictors, known[name or tuned])
        sizes = {key: values.pop(key) for key in LSTM_SIZES if key in values}
        if sizes and tuned == "lstm":
            from optuna_popnas.predictors.lstm_network import LSTMConfig

            values["config"] = LSTMConfig(**sizes)
        return partial(cls, **values) if values else cls

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return what was given, as JSON values, without what is the machine's alone."""
        return {
            section: {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in table.items()
            }
            for section, table in self.values.items()
            if table and section not in ("study", "machine")
        }


def unused_in(mode: str) -> dict[str, dict[str, str]]:
    """Return section -> setting that a mode has no use for -> why."""
    unused = {"search": unused_settings(mode)}
    if mode == "pnas":
        timeless = "it predicts no times"
        unused["search"] |= dict.fromkeys(("time_predictor", "time_probe"), timeless)
        unused["catboost"] = dict.fromkeys(known_settings()["catboost"], timeless)
    return unused


def planned_limits(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits that the sampler knows, if there are any in this section.

    Other measured costs are judged after the training, by the objective.
    """
    if not search.get("limits"):
        return {}
    known = (*CellCosts._fields, *(search.get("objectives") or ()))
    return {"limits": {k: v for k, v in search["limits"].items() if k in known}}


def _no_cost(cells: CellBatch) -> dict[str, Any]:
    """Stand in for the cost function while settings are checked without data."""
    raise AssertionError("never called")


def read_settings(path: str | None, flags: Values) -> SearchSettings:
    """Return the settings of a TOML file and of flags, which win.

    Raises:
        ConfigError: The file cannot be read or a setting is wrong.
    """
    values: Values = {}
    if path is not None:
        values = read_toml(path)
        theirs = SearchSettings(values, source=path)  # name the file where it is to blame
        mode = flags.get("search", {}).get("mode", theirs.mode)
        if mode != theirs.mode and mode in MODES:  # what it has for its own mode is not for this
            for section, unused in unused_in(mode).items():
                kept = {k: v for k, v in values.get(section, {}).items() if k not in unused}
                values[section] = kept
    merged = merge(values, flags)
    settings = SearchSettings(merged, source="the command line" if path is None else path)
    settings.check()
    return settings


def merge(values: Values, flags: Values) -> Values:
    """Return settings under flags, which win."""
    return {
        section: {**values.get(section, {}), **flags.get(section, {})}
        for section in (*values, *(name for name in flags if name not in values))
    }


def _no_section(name: str, value: Any, source: str) -> str:
    """Return what is wrong with a name at the top level of a file."""
    homes = [section for section, table in known_settings().items() if name in table]
    if homes and not isinstance(value, Mapping):
        return f"`{name}` must be in a section, but is in none in {source}. {_home(name, homes)}"
    hint = setting_hint(name) or nearest(name, known_settings())
    return f"`{name}` is no section of {source}. {hint}"


def _right(name: str, section: str) -> str:
    """Return a hint: the section that has this setting, or a setting of this section."""
    homes = [other for other, table in known_settings().items() if name in table]
    if homes:
        return _home(name, homes)
    return setting_hint(name) or nearest(name, known_settings()[section])


def _home(name: str, sections: Sequence[str]) -> str:
    return f"Write `{name}` below {' or '.join(f'[{section}]' for section in sections)}."


def read_toml(path: str) -> dict[str, Any]:
    """Return a TOML file as dictionaries.

    Raises:
        ConfigError: The file is missing or not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            return dict(tomllib.load(file))
    except OSError as error:
        raise ConfigError(
            f"The configuration {path!r} cannot be read: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {path!r} is not TOML: {error}.") from None
