"""Write the dashboards as JSON: python infra/grafana/dashboards-src [FOLDER]. Without FOLDER, overwrite the committed ones."""

import json
import sys
from pathlib import Path

from collector_dashboard import collector
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from kafka_dashboard import kafka
from overview_dashboard import overview
from product_dashboard import product
from query_dashboard import query

COMMITTED = Path(__file__).parents[1] / "dashboards"


def main(folder: Path) -> None:
    for board in (overview(), collector(), query(), product(), kafka()):
        text = json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / f"{board.build().uid}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else COMMITTED)
