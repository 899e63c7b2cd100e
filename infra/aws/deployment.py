"""What a deployment is: read from a JSON file, checked as a whole before anything is made of it."""

import json
import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

SERVICES = ("collector", "query", "dashboard")
APPS = (*SERVICES, "tracker")

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

REFUSED_SETTINGS = re.compile(
    r"(.*(URL|PASSWORD|SECRET|TOKEN|KEY)|DATABASE_.*|CONTROL_.*"
    r"|HOST|PORT|HEALTH_PORT|HTTPS|TRUSTED_HOPS|DRAIN_SECONDS|CACHE_FOLDER)(_FILE)?"
)
"""Settings that may not be given: those that are secret, since a template shows everything, and those that the stack sets to fit its parts.

ANALYTICS_MEMORY_BYTES may, though the stack sets it.
"""

TRUE = ("t", "true", "on", "y", "yes", "1")
"""Texts that turn a setting on, in any case."""

SQL_STATEMENTS, SQL_MEMORY_BYTES = 2, 256 * 2**20
"""Defaults of the query service's settings."""

GIB = 1024
"""MiB. Fargate has tasks of whole GiB; with 0.25 cores up to 2, with more up to 8 a core."""


class InvalidDeploymentError(Exception):
    """Raised with every mistake in the file, one a line."""


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Args:
        database: RDS instance class, without `db.`.
        storage: GiB of disk at the start, and up to which it grows by itself.
        services: for each, tasks, CPU units (1024: one core), MiB.
    """

    database: str
    storage: tuple[int, int]
    multi_az: bool
    endpoint_zones: int
    services: dict[str, tuple[int, int, int]]


SIZES = {
    # One of each: a task or a zone that fails is an interruption of minutes.
    "small": Size(
        "t4g.small", (20, 100), False, 1,
        {"collector": (1, 256, 512), "query": (1, 512, 1024), "dashboard": (1, 256, 512)},
    ),
    # Two of each in two zones: some 1 to 10 million events a day (docs/deployment.md, Sizing).
    "medium": Size(
        "m7g.large", (200, 1000), True, 2,
        {"collector": (2, 512, 1024), "query": (2, 1024, 2048), "dashboard": (2, 512, 1024)},
    ),
    "large": Size(
        "r7g.xlarge", (1000, 8000), True, 2,
        {"collector": (3, 1024, 2048), "query": (3, 2048, 4096), "dashboard": (2, 512, 1024)},
    ),
}  # fmt: skip


def checked(pattern: str, must: str, *, default: Any = MISSING) -> Any:
    """A field that is text of this form, or its default."""
    return field(default=default, metadata={"pattern": pattern, "must": must})


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One deployment. docs/aws.md has a table of the keys."""

    account: str = checked(r"\d{12}", "twelve digits")
    region: str = checked(r"[a-z]{2}(-[a-z]+)+-\d", "a region, such as eu-central-1")
    domain: str = checked(
        r"([a-z0-9-]+\.)+[a-z]{2,}", "a domain in lower case; the services are collector., query. and dashboard. of it"
    )
    certificate: str = checked(
        r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}", "the ARN of an ACM certificate in the region"
    )
    distribution: str = checked(
        r"create|none|E[A-Z0-9]{5,}",
        "create, none, or the id of a distribution whose logs are wanted",
        default="create",
    )
    edge_certificate: str = checked(
        r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]{36}",
        "the ARN of an ACM certificate in us-east-1",
        default="",
    )
    cloudfront_prefix_list: str = checked(
        r"pl-[0-9a-f]{8,17}", "the id of CloudFront's managed prefix list in the region", default=""
    )
    images: dict[str, str]
    signing_key_secret: str = checked(
        r"arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}", "a secret's whole ARN"
    )
    access_secret: str = checked(
        r"arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}", "a secret's whole ARN"
    )
    root_certificates: str = checked(r".+", "a file of certificates in PEM, beside this file or with its whole path")
    alarm_email: str = checked(r"[^@\s]+@[^@\s]+", "an e-mail address")
    size: str = checked("|".join(SIZES), f"one of {', '.join(SIZES)}", default="small")
    multi_az: bool | None = None
    zones: str = checked(r"[a-f]{2}", "the letters of two availability zones", default="ab")
    egress: str = checked(r"endpoints|nat|public", "endpoints, nat or public", default="endpoints")
    architecture: str = checked(r"X86_64|ARM64", "X86_64 or ARM64: what the images were built on", default="X86_64")
    keep: str = checked(r"[1-9]\d*(days|weeks|months|years)", "a period such as 13months", default="")
    log_days: int = 90
    log_reader: bool = False
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    folder: Path = Path()

    @classmethod
    def read(cls, file: Path, **changes: Any) -> Self:
        """Read a file. `changes` replace keys of it.

        Raises:
            InvalidDeploymentError: with every mistake.
        """
        try:
            found = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise InvalidDeploymentError(f"{file}: {error}") from None
        if not isinstance(found, dict):
            raise InvalidDeploymentError(f"{file}: must be a JSON object")
        given = {**found, **changes}
        known = {one.name: one for one in fields(cls) if one.name != "folder"}
        mistakes = [f"{name}: unknown" for name in sorted(given.keys() - known.keys())]
        mistakes += [
            f"{name}: missing"
            for name, one in known.items()
            if name not in given and one.default is MISSING and one.default_factory is MISSING
        ]
        mistakes += [
            found for name, one in known.items() if name in given for found in _type_mistakes(one, given[name])
        ]
        if not mistakes:
            deployment = cls(**given, folder=file.parent)
            mistakes = deployment.find_contradictions()
        if mistakes:
            raise InvalidDeploymentError("\n".join(mistakes))
        return deployment

    @property
    def capacity(self) -> Size:
        """The figures of its size."""
        return SIZES[self.size]

    def memory_of(self, app: str) -> int:
        """The MiB of each task of a service: those of the size, and what statements in SQL take beside, in whole GiB."""
        _, _, memory = self.capacity.services[app]
        return memory + (-(-self.sql_memory // GIB) * GIB if app == "query" else 0)

    @property
    def sql_memory(self) -> int:
        """The MiB that statements in SQL take where SQL is on (docs/deployment.md, Memory of SQL); otherwise 0.

        Raises:
            ValueError: if a setting isn't a number.
        """
        given = self.settings.get("query", {})
        if given.get("SQL", "").lower() not in TRUE:
            return 0
        statements = int(given.get("SQL_STATEMENTS", SQL_STATEMENTS))
        memory = int(given.get("SQL_MEMORY_BYTES", SQL_MEMORY_BYTES))
        return 128 + statements * (-(-memory // 2**20) + 192)

    @property
    def is_multi_az(self) -> bool:
        """Whether the database has a standby in another zone."""
        return self.capacity.multi_az if self.multi_az is None else self.multi_az

    @property
    def log_bucket(self) -> str:
        """The log bucket's name. It is fixed, since the stack in us-east-1 names it too."""
        return f"event-tracker-logs-{self.account}-{self.region}"

    @property
    def root_certificates_pem(self) -> str:
        """The text of the file of certificates."""
        return (self.folder / self.root_certificates).read_text()

    def find_contradictions(self) -> list[str]:
        """What doesn't fit together, or isn't in order in the values that have parts."""
        mistakes = [
            f"{name}: must be in {self.region}, of account {self.account}"
            for name in ("certificate", "signing_key_secret", "access_secret")
            if f":{self.region}:{self.account}:" not in getattr(self, name)
        ]
        mistakes += [
            f"{name}: distribution create needs it"
            for name in ("edge_certificate", "cloudfront_prefix_list")
            if self.distribution == "create" and not getattr(self, name)
        ]
        if self.multi_az not in (None, True, False):
            mistakes.append("multi_az: must be true or false")
        if not 1 <= self.log_days <= 3650:
            mistakes.append("log_days: must be 1 to 3650")
        return [*self._image_mistakes(), *mistakes, *self._setting_mistakes(), *self._certificate_mistakes()]

    def _image_mistakes(self) -> list[str]:
        mistakes = [f"images: {app} is missing" for app in APPS if app not in self.images]
        for app, digest in self.images.items():
            if app not in APPS:
                mistakes.append(f"images: {app} is none of {', '.join(APPS)}")
            elif not DIGEST.fullmatch(str(digest)):
                mistakes.append(
                    f"images: {app} must be a digest, sha256: and 64 hexadecimal digits; a tag may be moved"
                )
        return mistakes

    def _setting_mistakes(self) -> list[str]:
        mistakes = []
        for app, settings in self.settings.items():
            if app not in SERVICES or not isinstance(settings, dict):
                mistakes.append(f"settings: {app} must be an object, and one of {', '.join(SERVICES)}")
                continue
            for name, value in settings.items():
                if REFUSED_SETTINGS.fullmatch(name):
                    mistakes.append(f"settings: {app} {name} is secret, or the stack sets it: it may not be given")
                elif not isinstance(value, str):
                    mistakes.append(f"settings: {app} {name} must be a text")
        return mistakes or self._memory_mistakes()

    def _memory_mistakes(self) -> list[str]:
        _, cpu, _ = self.capacity.services["query"]
        most = 8 * GIB * cpu // 1024
        try:
            needed = self.memory_of("query")
        except ValueError:
            return ["settings: query SQL_STATEMENTS and SQL_MEMORY_BYTES must be whole numbers"]
        if needed <= most:
            return []
        return [
            f"settings: query needs {needed} MiB for statements in SQL, and its tasks have {most} at most: take fewer, or a larger size"
        ]

    def _certificate_mistakes(self) -> list[str]:
        try:
            text = self.root_certificates_pem
        except OSError as error:
            return [f"root_certificates: {error.strerror}: {self.folder / self.root_certificates}"]
        if "-----BEGIN CERTIFICATE-----" not in text:
            return ["root_certificates: has no certificate in PEM"]
        # A task definition has 64 KiB at most, and query has the certificates twice.
        return (
            ["root_certificates: more than 24 KiB; take the region's bundle, not the global one"]
            if len(text) > 24 * 1024
            else []
        )


def _type_mistakes(one: Any, value: Any) -> list[str]:
    """What is wrong with the type or the form of one value."""
    if "pattern" in one.metadata:
        if value == "" and one.default == "":
            return []
        if not isinstance(value, str) or not re.fullmatch(one.metadata["pattern"], value):
            return [f"{one.name}: must be {one.metadata['must']}"]
    elif one.type in (bool, int, dict) or str(one.type).startswith("dict"):
        wanted = dict if str(one.type).startswith("dict") else one.type
        if type(value) is not wanted:
            return [f"{one.name}: must be of type {wanted.__name__}"]
    return []
