-- The lines of the file REQUESTS, one after another: bodies to POST to TARGET or, with METHOD=GET, paths.
-- In a body, each @@@@@@@@ becomes eight hexadecimal digits that no other request has.
local requests, current, number, unique = {}, 0, 0, false

function init(args)
  wrk.headers["Content-Type"] = os.getenv("MEDIA_TYPE")
  for line in io.lines(os.getenv("REQUESTS")) do
    if os.getenv("METHOD") == "GET" then
      requests[#requests + 1] = wrk.format("GET", line)
    else
      requests[#requests + 1] = wrk.format("POST", os.getenv("TARGET"), nil, line)
    end
  end
  unique = requests[1]:find("@@@@@@@@", 1, true) ~= nil
  number = os.time() % 65536 * 65536  -- a run begins in another second than the one before
end

function request()
  current = current % #requests + 1
  if not unique then
    return requests[current]
  end
  number = number + 1
  return (requests[current]:gsub("@@@@@@@@", string.format("%08x", number)))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"microseconds":%d,"bytes":%d,"failed":%d,"lost":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
