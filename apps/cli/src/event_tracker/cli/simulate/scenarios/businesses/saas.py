"""Software that teams subscribe to: users sign up, and return week after week. The funnel's window is three days."""

from dataclasses import replace

from event_tracker.cli.simulate.scenarios.description import Life, Scenario, Script, Step, Trait, visit

pricing = Step("page_view", 20, {"page": "/pricing"})
signup = Step("signup", 45, goal=1)
activate = Step("activate", 180, goal=2)
invite = Step("invite", 60, goal=3)
subscribe = Step("subscribe", 120, traits=("plan",), goal=4)
login = Step("login", 8)
dashboard = Step("dashboard_view", 6)
report = Step("report_view", 40)
long_report = Step("report_view", 1400)
export = Step("export", 25)

late_subscribe = replace(subscribe, goal=None)
early_invite = replace(invite, goal=None)

check = visit(login, dashboard)
work = Script(((login, dashboard, report, report, export), (dashboard, report)))
desktop_work = Script(((dashboard, report, long_report), (dashboard, export)), session_id=False)
back = (work, check, desktop_work)

lives = (
    Life("signs up and never begins", 30, {0: visit(pricing, signup)}, back),
    Life("activates", 20, {0: visit(signup, activate, dashboard)}, back),
    Life("activates the next day", 12, {0: visit(pricing, signup), 1: visit(login, activate, report)}, back),
    Life("invites the team", 12, {0: visit(signup, activate, dashboard, invite), 1: work}, back),
    Life("subscribes at once", 6, {0: visit(pricing, signup, activate, invite, subscribe)}, back),
    Life(
        "tries for two days, then subscribes",
        10,
        {0: visit(signup, activate), 1: visit(dashboard, invite, session_id=False), 2: visit(login, subscribe)},
        back,
    ),
    Life(
        "subscribes after the three days: not converted",
        5,
        {0: visit(signup, activate, invite), 5: visit(login, late_subscribe)},
        back,
    ),
    Life(
        "invites before activating, then subscribes",
        5,
        {0: visit(signup, early_invite, activate, late_subscribe)},
        back,
    ),
)

saas = Scenario(
    name="saas",
    zone="UTC",
    lives=lives,
    everywhere=(
        Trait("app", {"web": 64, "desktop": 24, "mobile": 12}),
        Trait("country", {"US": 38, "GB": 17, "DE": 14, "IN": 12, "CA": 9, "AU": 6, "BR": 4}),
    ),
    on_arrival=Trait(
        "referrer",
        {None: 40, "https://www.google.com/": 28, "https://news.ycombinator.com/": 16, "partner": 10, "podcast": 6},
    ),
    sometimes=(
        Trait("plan", {"team": 55, "solo": 35, "enterprise": 10}, {"team": {"seats": 10}, "solo": {"seats": 1}}),
    ),
    funnel=(("signup", {}), ("activate", {}), ("invite", {}), ("subscribe", {})),
    window=3 * 86_400,
    curve=(62, 48, 41, 37, 34, 32, 31, 30),
    return_days=(1, 2, 3),
    paths_by="event_type",
    paths_start="dashboard_view",
)
