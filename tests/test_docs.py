"""The documentation says what the code says."""

import re
from pathlib import Path

import pytest
import requests
from rendered import parts, replaced

ROOT = Path(__file__).parent.parent
MADE = [(file, name, part) for file, named in parts().items() for name, part in named.items()]
SOURCES = sorted([*ROOT.glob("apps/*/src/**/*.py"), *ROOT.glob("apps/*/src/**/*.sql"), *ROOT.glob("infra/**/*.sql")])
READMES = [path for name in ("apps", "argocd", "bench", "k8s") for path in ROOT.glob(f"{name}/**/README.md")]
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(path for path in READMES if "node_modules" not in path.parts)}
)


@pytest.mark.parametrize(("file", "name", "part"), MADE, ids=[f"{file.name}-{name}" for file, name, _ in MADE])
def test_a_made_part_is_as_the_code_makes_it(file, name, part):
    assert file.read_text() == replaced(file.read_text(), name, part), "run `make docs`"


@pytest.mark.services
@pytest.mark.parametrize("service", ["collector", "query"])
def test_every_endpoint_is_documented(request, service):
    document = requests.get(f"{request.getfixturevalue(service).url}/openapi.json", timeout=30).json()
    text = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "management.md"))
    for path in document["paths"]:
        assert path in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        # GitHub shows a file two levels below its workflows' pages.
        target = re.sub(r"^\.\./\.\./actions/workflows/([\w.-]+)(/badge\.svg)?$", r".github/workflows/\1", target)
        if not re.match("[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), target


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^(```+|~~~+).*?^\1", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found: dict[str, int] = {}
    anchors = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#{1,6} +(.+?)[ #]*$", text, flags=re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = found[slug] = found.get(slug, -1) + 1
        anchors.add(f"{slug}-{number}" if number else slug)
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_headings(page):
    for path, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        target = page.parent / path if path else page
        if target.suffix == ".md":
            assert anchor in anchors_of(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:apps|docs|infra|tests|bench)/[\w./-]+\.\w+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_files_of_the_architecture_exist():
    """They are named by the end of their path: `collector/writer.py`."""
    named = set(re.findall(r"`([\w./-]+\.(?:py|sql))`", (ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 30
    paths = [f"/{path.relative_to(ROOT)}" for path in SOURCES]
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in paths)] == []


def test_documents_that_the_code_names_exist():
    named = {(file, name) for file in SOURCES for name in re.findall(r"docs/[\w./-]+\.md", file.read_text())}
    assert named
    assert [(file, name) for file, name in named if not (ROOT / name).exists()] == []
