"""One line of each format of logs but CloudFront's, and the request that it tells."""

from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)

COMBINED = '198.51.100.7 - - [01/Oct/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 12 "https://x/" "Mozilla/5.0 (X)"'
TOLD = {
    "time": NOON, "address": "198.51.100.7", "method": "GET", "path": "/a", "query": "b=c", "status": 200, "bytes": 12,
    "referrer": "https://x/", "user_agent": "Mozilla/5.0 (X)",
}  # fmt: skip

S3 = (
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be www.example.com [01/Oct/2026:12:00:00 +0000] 198.51.100.7 - "
    '3E57427F3EXAMPLE WEBSITE.GET.OBJECT a "GET /a?b=c HTTP/1.1" 200 - 12 100 70 10 "https://x/" "Mozilla/5.0 (X)" - '
    "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 - www.example.com TLSv1.3 - -"
)
ALB = (
    "https 2026-10-01T12:00:00.000000Z app/web/50dc6c495c0c9188 198.51.100.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 300 12 "
    '"GET https://www.example.com:443/a?b=c HTTP/1.1" "Mozilla/5.0 (X)" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/web/73e2d6bc24d8a067 "
    '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/1" 1 '
    '2026-10-01T11:59:59.900000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234'
)
NGINX = (
    '{"time_iso8601":"2026-10-01T12:00:00+00:00","remote_addr":"198.51.100.7","remote_user":"","request":"GET /a?b=c HTTP/1.1",'
    '"status":"200","body_bytes_sent":"12","request_time":"0.171","http_referer":"https://x/","http_user_agent":"Mozilla/5.0 (X)",'
    '"host":"www.example.com","request_id":"6f1e","sent_http_content_type":"text/html"}'
)
CADDY = (
    '{"level":"info","ts":1790856000.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"198.51.100.7",'
    '"remote_port":"4711","client_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET","host":"WWW.example.com:8443","uri":"/a?b=c",'
    '"headers":{"User-Agent":["Mozilla/5.0 (X)"],"Referer":["https://x/"],"X-Forwarded-For":["203.0.113.9, 10.0.0.2"]}},"bytes_read":0,'
    '"user_id":"ann","duration":0.171,"size":12,"status":200,"resp_headers":{"Content-Type":["text/html"]}}'
)
TRAEFIK = (
    '{"ClientAddr":"198.51.100.7:4711","ClientHost":"198.51.100.7","ClientUsername":"-","DownstreamContentSize":12,"DownstreamStatus":200,'
    '"Duration":171000000,"RequestHost":"www.example.com","RequestMethod":"GET","RequestPath":"/a?b=c","RequestProtocol":"HTTP/2.0",'
    '"StartUTC":"2026-10-01T12:00:00.123456789Z","downstream_Content-Type":"text/html","request_User-Agent":"Mozilla/5.0 (X)",'
    '"request_Referer":"https://x/","request_X-Forwarded-For":"203.0.113.9","level":"info","msg":"","time":"2026-10-01T12:00:01Z"}'
)
IIS_FIELDS = (
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) cs-host sc-status "
    "sc-substatus sc-win32-status sc-bytes time-taken"
)
IIS = "2026-10-01 12:00:00 10.0.0.1 GET /a b=c 443 - 198.51.100.7 Mozilla/5.0+(X) https://x/ www.example.com 200 0 0 12 171"

PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "combined": (COMBINED, TOLD),
    "s3": (S3, {**TOLD, "host": "www.example.com", "seconds": 0.07, "request_id": "3E57427F3EXAMPLE WEBSITE.GET.OBJECT a"}),
    "alb": (ALB, {**TOLD, "host": "www.example.com", "seconds": 0.171, "referrer": None}),
    "nginx-json": (NGINX, {**TOLD, "host": "www.example.com", "seconds": 0.171, "request_id": "6f1e", "content_type": "text/html"}),
    "caddy": (CADDY, {**TOLD, "time": NOON + timedelta(milliseconds=500), "host": "www.example.com", "seconds": 0.171, "user": "ann",
                      "content_type": "text/html"}),
    "traefik": (TRAEFIK, {**TOLD, "time": NOON + timedelta(microseconds=123456), "host": "www.example.com", "seconds": 0.171,
                          "content_type": "text/html"}),
    "iis": (IIS, {**TOLD, "host": "www.example.com", "seconds": 0.171}),
}  # fmt: skip
