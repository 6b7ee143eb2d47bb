-- wrk script: asks what nginx asks, with each session's cookie in turn.
-- wrk ... -s ask.lua URL -- FILE_OF_IDS PATH

local requests, at = {}, 0

function init(args)
  for id in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", args[2], {
      ["Host"] = "app.example.com",
      ["X-Original-Method"] = "GET",
      ["X-Original-URI"] = "/page/a?x=1",
      ["X-Forwarded-Host"] = "app.example.com",
      ["X-Forwarded-Proto"] = "https",
      ["X-Forwarded-For"] = "203.0.113.9",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      ["Accept-Language"] = "en-US,en;q=0.5",
      ["Accept-Encoding"] = "gzip, deflate, br, zstd",
      ["Sec-Fetch-Mode"] = "navigate",
      ["Sec-Fetch-Dest"] = "document",
      ["Cookie"] = "theme=dark; sid=" .. id,
    })
  end
  assert(#requests > 0, "no sessions")
end

function request()
  at = at % #requests + 1
  return requests[at]
end
