"""The examples of docs/track.md are run as they are printed, on tables of an application in the tracker's database."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tracking import application_role

PAGE = Path(__file__).parent.parent / "docs" / "track.md"

ORDERS = """
create table orders (id int primary key, user_id text not null, total int not null, paid boolean not null default false);
insert into orders values (7, 'ann', 12);
"""

DJANGO = """
import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

parts = conninfo_to_dict(url)
database = {"ENGINE": "django.db.backends.postgresql", "NAME": parts["dbname"], "USER": parts["user"], "HOST": parts["host"]}
settings.configure(DATABASES={"default": database}, DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True)
django.setup()
"""

BEFORE = {"psycopg": "", "SQLAlchemy": "", "Django": DJANGO}
EVENTS = {
    "psycopg": [("ann", "order_paid", {"total": 12})],
    "SQLAlchemy": [("ann", "order_paid", {"total": 12}), ("bob", "order_made", {"total": 30})],
    "Django": [("ann", "order_paid", {"total": 12}), ("bob", "order_made", {"total": 30})],
}


def example(title):
    """The code below a heading."""
    return re.search(rf"^### {title}\n.*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[1]


def run(code, url):
    command = [sys.executable, "-W", "error", "-c", f"import os\nurl = os.environ['APPLICATION_URL']\n{code}"]
    return subprocess.run(
        command, env={**os.environ, "APPLICATION_URL": url}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def url(postgres, database, owner):
    with application_role(postgres) as role:
        owner.execute(ORDERS)
        owner.execute(f"grant select, insert, update on orders to {role}".encode())
        yield postgres.url(database).replace("postgres@", f"{role}@")
        owner.execute(f"revoke all on orders from {role}".encode())


@pytest.mark.parametrize("title", EVENTS)
@pytest.mark.parametrize("fails", [False, True], ids=["committed", "failed"])
def test_the_example_of(url, owner, title, fails):
    code = BEFORE[title] + example(title)
    if fails:  # the transaction that it is in
        owner.execute("alter table orders add check (not paid)")
    done = run(code, url)
    assert (done.returncode != 0) == fails, done.stderr
    assert not fails or "CheckViolation" in done.stderr
    found = owner.execute("select user_id, event_type, properties from events order by 1").fetchall()
    assert found == ([] if fails else EVENTS[title])
    assert owner.execute("select paid from orders where id = 7").fetchone() == (not fails,)


def test_the_statement_at_the_top(owner):
    owner.execute(ORDERS)
    owner.execute(re.search(r"```sql\n(begin;.*?)```", PAGE.read_text(), re.DOTALL)[1].encode())
    assert owner.execute("select user_id, event_type, properties from events").fetchall() == EVENTS["psycopg"]
