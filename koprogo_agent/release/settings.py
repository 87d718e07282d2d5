"""`koprogo-release.toml`, at the top of the product's repository: keys, defaults, meanings.

Without the file the defaults hold, which are KoproGo's.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.settings import faults
from koprogo_agent.settings.sections import Migration, Source, Stack, Trust
from koprogo_agent.settings.values import Name, RepositoryPath

FILE = "koprogo-release.toml"
_STACK = Stack()
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"

Days = Annotated[int, Field(ge=1, le=3650)]


class ReleaseSettings(BaseModel):
    """What is to be known of a product whose releases are cut."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    product: Name = Field(Trust().product, description="name of the product in every document")
    channel: Name = Field(Trust().channel, description="channel that releases are for")
    compose_files: tuple[RepositoryPath, ...] = Field(
        _STACK.compose_files,
        description="compose files that instances run, in order; none, where there is no stack",
    )
    files: tuple[RepositoryPath, ...] = Field(
        (),
        description="files and folders that are deployed besides what the compose files name and"
        " mount",
    )
    version_file: RepositoryPath | None = Field(
        None,
        description="file that tells the product's version, which must be that of the release",
    )
    images: dict[Name, str] = Field(
        {
            "backend": "ghcr.io/gilmry/koprogo/backend",
            "frontend": "ghcr.io/gilmry/koprogo/frontend",
        },
        min_length=1,
        description="name of each image that a release pins, and its repository without a tag",
    )
    image_tag: str = Field(
        _STACK.image_tag,
        pattern=r"^(?:[A-Za-z0-9_.-]|\{tag\}|\{version\}){1,128}$",
        description="tag of the images: {tag} becomes v1.2.3, {version} becomes 1.2.3",
    )
    image_tag_variable: str = Field(
        _STACK.image_tag_variable,
        pattern=_VARIABLE,
        description="variable of the compose files that chooses the version of the images",
    )
    values: dict[Annotated[str, Field(pattern=_VARIABLE)], str] = Field(
        {},
        description="values for variables of the compose files, to check them with; all that have"
        " no default and are not named here are 1",
    )
    migrations: RepositoryPath = Field(
        Migration().path, description="folder of the migrations in the repository"
    )
    remote: Name = Field("origin", description="git remote that instances follow")
    trust_branch: Name = Field(
        Source().trust_branch, description="branch with the trust roots and the freshness document"
    )
    valid_for: Days = Field(365, description="days for which a release may be newly installed")
    root_valid_for: Days = Field(730, description="days for which a trust root is good")
    agent_min: str = Field(
        "0.1.0",
        pattern=r"^\d+\.\d+\.\d+$",
        description="lowest version of koprogo-agent that understands the releases",
    )

    @model_validator(mode="after")
    def _deploys_something(self) -> Self:
        if not (self.compose_files or self.files):
            raise ValueError("nothing is deployed; name compose_files, files, or both")
        return self


def load(folder: Path) -> ReleaseSettings:
    """Reads the settings of the product in a folder.

    Raises:
        NeedsOperator: anything is wrong (code `config.invalid`); the message lists every fault.
    """
    file = folder / FILE
    try:
        document = tomllib.loads(file.read_bytes().decode())
        return ReleaseSettings(**document)
    except FileNotFoundError:
        return ReleaseSettings()
    except OSError as error:
        raise _invalid(file, [(error.strerror or str(error)).lower()]) from error
    except ValidationError as error:
        raise _invalid(file, faults.explain(ReleaseSettings, error, {})) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid(file, [f"it is not TOML: {str(error)[:200]}"]) from None


def _invalid(file: Path, found: list[str]) -> NeedsOperator:
    count = "a fault" if len(found) == 1 else f"{len(found)} faults"
    return NeedsOperator(
        "\n  ".join([f"{file} has {count}", *found]),
        code="config.invalid",
        advice=f"mend {file.name}, and type the same again",
    )
