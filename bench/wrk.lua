-- The lines of the file REQUESTS, one after another: bodies to POST to /events or, with METHOD=GET, paths.
local requests, current = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(os.getenv("REQUESTS")) do
    if os.getenv("METHOD") == "GET" then
      requests[#requests + 1] = wrk.format("GET", line)
    else
      requests[#requests + 1] = wrk.format("POST", "/events", nil, line)
    end
  end
end

function request()
  current = current % #requests + 1
  return requests[current]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"microseconds":%d,"bytes":%d,"failed":%d,"lost":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
