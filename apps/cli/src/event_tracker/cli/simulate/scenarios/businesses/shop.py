"""A shop: users look at products, fill a cart, sign in, pay. The funnel's window is two days."""

from dataclasses import replace

from event_tracker.cli.simulate.scenarios.businesses.shop_site import reading, site
from event_tracker.cli.simulate.scenarios.description import SIGN_IN, Life, Scenario, Script, Step, Trait, visit

home = Step("page_view", 15, {"page": "/"})
offers = Step("page_view", 30, {"page": "/offers"})
thanks = Step("page_view", 5, {"page": "/thanks"})
search = Step("search", 12)
view = Step("product_view", 25, traits=("product",), goal=1)
cart = Step("add_to_cart", 40, traits=("product",), goal=2)
sign_in = Step(SIGN_IN, 15)
checkout = Step("checkout", 30, traits=("product",), goal=3)
purchase = Step("purchase", 90, traits=("product", "payment"), goal=4)

hidden_cart = replace(cart, goal=None)
late_checkout = replace(checkout, goal=None)
late_purchase = replace(purchase, goal=None)

browse = visit(home, search, offers)
glance = visit(home, session_id=False)
back = (browse, glance, *reading)

crawl = visit(*[replace(view, after=2)] * 12, session_id=False)

lives = (
    Life("passes by", 26, {0: visit(home)}, back),
    Life("looks around", 22, {0: visit(home, search, view, view)}, back),
    Life("looks again after lunch, one session", 6, {0: Script(((home, view), (search, view)))}, back),
    Life("the same, two sessions", 6, {0: Script(((home, view), (search, view)), session_id=False)}, back),
    Life("fills a cart", 12, {0: visit(home, view, view, cart)}, back),
    Life("begins to pay", 6, {0: visit(home, search, view, cart, sign_in, checkout)}, back),
    Life("buys", 8, {0: visit(home, view, cart, sign_in, checkout, purchase, thanks)}, back),
    Life("buys without looking round", 2, {0: visit(view, cart, checkout, purchase, session_id=False)}, back),
    Life("pays the next day", 3, {0: visit(home, view, cart), 1: visit(sign_in, checkout, purchase, thanks)}, back),
    Life(
        "fails, then buys three days later",
        2,
        {0: visit(home, view, cart), 3: visit(home, view, cart, sign_in, checkout, purchase, thanks)},
        back,
    ),
    Life(
        "pays after the two days: not converted",
        2,
        {0: visit(home, view, cart), 3: visit(late_checkout, late_purchase, thanks)},
        back,
    ),
    Life("fills the cart from a mail, then looks: the wrong order", 2, {0: visit(hidden_cart, view)}, back),
    Life("crawls", 3, {0: crawl}, (crawl,), bot=True),
)

shop = Scenario(
    name="shop",
    zone="Europe/Berlin",
    lives=lives,
    everywhere=(
        Trait("device", {"mobile": 58, "desktop": 36, "tablet": 6}),
        Trait("country", {"DE": 42, "AT": 16, "CH": 12, "FR": 9, "NL": 7, "PL": 5, "IT": 4, "ES": 3, "DK": 2}),
    ),
    on_arrival=Trait(
        "referrer",
        {
            None: 45,
            "https://www.google.com/": 30,
            "newsletter": 12,
            "https://www.instagram.com/": 8,
            "https://duckduckgo.com/": 5,
        },
    ),
    sometimes=(
        Trait(
            "product",
            {"mug": 24, "notebook": 20, "lamp": 16, "poster": 14, "backpack": 11, "chair": 8, "desk": 5, "sofa": 2},
            {
                "mug": {"price": 12.9},
                "notebook": {"price": 8.5},
                "lamp": {"price": 49.0},
                "poster": {"price": 19.0},
                "backpack": {"price": 79.0},
                "chair": {"price": 149.0},
                "desk": {"price": 329.0},
                "sofa": {"price": 899.0},
            },
        ),
        Trait("payment", {"card": 55, "paypal": 35, "invoice": 10}),
    ),
    funnel=(("product_view", {}), ("add_to_cart", {}), ("checkout", {}), ("purchase", {})),
    window=2 * 86_400,
    curve=(24, 15, 11, 9, 8),
    return_days=(1, 1, 2),
    paths_by="event_type",
    paths_start="product_view",
    site=site,
)
