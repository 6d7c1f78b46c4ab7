"""Find and load plug-ins: what other packages offer by entry points in the groups of GROUPS, see docs/plugins.md."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from rtseg.errors import PluginError, RtsegError, require_members

SOURCES, SINKS, ENGINES, MODELS, MEASURES = "rtseg.sources", "rtseg.sinks", "rtseg.engines", "rtseg.models", "rtseg.measures"
GROUPS = (SOURCES, SINKS, ENGINES, MODELS, MEASURES)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plugin:
    """Holds one entry point of a package."""

    group: str
    """One of GROUPS."""
    name: str
    """The name by which a user chooses it."""
    package: str
    """Name and version of the package that offers it."""
    entry: EntryPoint

    def __str__(self) -> str:
        return f"the plug-in {self.name!r} of {self.package}"

    def load(self) -> Any:
        """Import the plug-in and return its object. Raises PluginError, whatever its import raises."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            raise self.failure("cannot be loaded", error) from error

    def call(self, work: Callable[[], T], doing: str) -> T:
        """Return what `work` returns. Raises what rtseg raises, and PluginError for everything else.

        doing: what fails then, as in "cannot be opened".
        """
        try:
            return work()
        except RtsegError:
            raise
        except (Exception, SystemExit) as error:
            raise self.failure(doing, error) from error

    def failure(self, doing: str, error: BaseException) -> PluginError:
        """Return the error that names the plug-in and what it raised."""
        return PluginError(f"{self} {doing} ({type(error).__name__}: {error}): tell its makers, or leave it out")

    def require(self, value: object, members: Iterable[str], expected: str) -> None:
        """Raise WrongArgument unless what the plug-in returned has all members."""
        require_members(value, members, expected, f"{self} must return one, see docs/plugins.md")


def plugins(group: str) -> list[Plugin]:
    """Return the plug-ins of a group, by name; nothing is imported."""
    found = [Plugin(group, entry.name, _package(entry), entry) for entry in entry_points(group=group)]
    return sorted(set(found), key=lambda plugin: (plugin.name, plugin.package))


def find_plugin(group: str, name: str) -> Plugin | None:
    """Return the plug-in of that name, None where there is none. Raises PluginError where several packages offer one."""
    found = [plugin for plugin in plugins(group) if plugin.name == name]
    if len(found) > 1:
        packages = ", ".join(plugin.package for plugin in found)
        raise PluginError(f"{packages} each have a plug-in {name!r} in {group}: uninstall all but one")
    return found[0] if found else None


def names_with_plugins(group: str, names: Iterable[str] | str) -> str:
    """Return the names of rtseg and of the plug-ins in words, for the message of an unknown name."""
    own = [names] if isinstance(names, str) else list(names)
    return ", ".join([*own, *(plugin.name for plugin in plugins(group))])


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
