"""A personal site: few pages, many users who leave at once, a contact form, and crawlers. The funnel's window is an hour."""

from dataclasses import replace

from event_tracker.cli.simulate.scenarios.description import Life, Scenario, Script, Step, Trait, visit


def page(path: str, after: float = 30, goal: int | None = None) -> Step:
    return Step("page_view", after, {"page": path}, goal=goal)


home = page("/", goal=1)
projects = page("/projects", 40, goal=2)
contact = page("/contact", 50, goal=3)
form = Step("contact_form", 100, {"page": "/contact"}, traits=("topic",), goal=4)
about = page("/about")
blog = page("/blog", 20)
post = page("/blog/how-it-works", 240)
early_projects = replace(projects, goal=None)
late_contact = replace(contact, goal=None)
late_form = replace(form, goal=None)

read = visit(blog, post, session_id=False)
back = (read, visit(post))

crawl = visit(*(replace(step, after=1) for step in (home, about, projects, blog, post, contact)), session_id=False)

lives = (
    Life("sees the first page", 32, {0: visit(home)}, back),
    Life("sees a post", 24, {0: visit(post, session_id=False)}, back),
    Life("reads", 10, {0: visit(blog, post, about)}, back),
    Life("looks at the projects", 10, {0: visit(home, projects, about)}, back),
    Life(
        "looks for the address after lunch, two sessions",
        5,
        {0: Script(((home, about), (projects, contact)), session_id=False)},
        back,
    ),
    Life("writes", 4, {0: visit(home, projects, about, contact, form)}, back),
    Life(
        "thinks it over for an hour and a half: not converted",
        2,
        {0: Script(((home, projects), (blog, post), (late_contact, late_form)))},
        back,
    ),
    Life("comes by the projects: the wrong order", 3, {0: visit(early_projects, home)}, back),
    Life("crawls", 10, {0: crawl}, (crawl,), bot=True),
)

portfolio = Scenario(
    name="portfolio",
    zone="America/New_York",
    lives=lives,
    everywhere=(
        Trait("device", {"desktop": 55, "mobile": 42, "tablet": 3}),
        Trait("country", {"US": 51, "CA": 14, "GB": 11, "DE": 9, "IN": 8, "JP": 4, "BR": 3}),
    ),
    on_arrival=Trait(
        "referrer",
        {
            None: 36,
            "https://www.linkedin.com/": 26,
            "https://github.com/": 20,
            "https://www.google.com/": 14,
            "https://news.ycombinator.com/": 4,
        },
    ),
    sometimes=(Trait("topic", {"a job": 60, "a talk": 25, "a question": 15}),),
    funnel=(
        ("page_view", {"page": "/"}),
        ("page_view", {"page": "/projects"}),
        ("page_view", {"page": "/contact"}),
        ("contact_form", {}),
    ),
    window=3600,
    curve=(9, 6, 4, 3),
    return_days=(1,),
    paths_by="property:page",
    paths_start="/",
)
