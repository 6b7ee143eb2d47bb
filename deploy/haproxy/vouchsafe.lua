-- Vouchsafe for HAProxy 2.5 and later: `http-request lua.vouchsafe` asks the daemon whether a request may pass.
-- It needs nothing but HAProxy's own httpclient. The daemon's address is in haproxy.cfg (VOUCHSAFE_CHECK).

local CHECK = os.getenv("VOUCHSAFE_CHECK")
local TIMEOUT_MS = 1000 -- HAProxy 2.6 tries four times by itself, so a daemon that hangs is given up after 4 s
-- With `factor_in_request: true` rather 3000: the daemon answers within 2.5 s, whatever node it has to wait for.

-- The exports of config.yaml (`applications[].exports`), the signed assertion, and the client's cookies without ours,
-- lower case.
-- What the daemon does not send is removed.
local FROM_CHECK = { "auth-user", "auth-mail", "auth-groups", "x-vouchsafe-assertion", "cookie" }

-- What ends here: the master's (`slave.masters[].control_header`, `slave.user_header`, `slave.exported_vars`;
-- auth-groups is set above), and what only the daemon may read. X-Vouchsafe-* go too, by their prefix.
-- With `factor_in_request: true` also "authorization": the user's PIN and one-time password may be in it.
local NOT_FOR_APPLICATIONS = { "control", "cn", "user-email", "x-otp" }
local RESERVED = "^x%-vouchsafe%-"

-- Headers of the client that are not part of the question: they would change the check itself.
local NOT_ASKED = {
  ["accept-encoding"] = true, ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
  ["if-match"] = true, ["if-modified-since"] = true, ["if-none-match"] = true, ["if-range"] = true,
  ["if-unmodified-since"] = true, ["range"] = true, ["te"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true,
}

-- Headers of a refusal that are not for the client.
local NOT_TOLD = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["date"] = true }

-- The values of one header in order; HAProxy counts from 0.
local function values(lines)
  local list, at = {}, lines[0] ~= nil and 0 or 1
  while lines[at] ~= nil do
    list[#list + 1] = lines[at]
    at = at + 1
  end
  return list
end

-- Everything as received, duplicates included: the daemon refuses what stands twice.
local function question(txn, received)
  local headers = {}
  for name, lines in pairs(received) do
    if not NOT_ASKED[name] and not name:find("^x%-forwarded%-") then
      headers[name] = values(lines)
    end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-uri"] = { txn.sf:pathq() }
  headers["x-forwarded-host"] = values(received["host"] or {})
  headers["x-forwarded-proto"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
  headers["x-forwarded-for"] = values(received["x-forwarded-for"] or {})
  return headers
end

local function reply(txn, status, headers, body)
  local answer = txn:reply()
  answer:set_status(status)
  for name, lines in pairs(headers) do
    if not NOT_TOLD[name] then
      for _, value in ipairs(values(lines)) do answer:add_header(name, value) end
    end
  end
  if body then answer:set_body(body) end
  txn:done(answer)
end

-- Whatever is not a clear answer refuses.
local function unavailable(txn)
  txn:set_var("txn.vouchsafe_reason", "unavailable")
  reply(txn, 503, {
    ["x-vouchsafe-reason"] = { "unavailable" }, ["cache-control"] = { "no-store" }, ["retry-after"] = { "5" },
    ["content-type"] = { "application/json" },
  }, '{"error":"unavailable"}')
end

local function pass(txn, received, said)
  for name in pairs(received) do
    if name:find(RESERVED) then txn.http:req_del_header(name) end
  end
  for _, name in ipairs(NOT_FOR_APPLICATIONS) do txn.http:req_del_header(name) end
  for _, name in ipairs(FROM_CHECK) do
    txn.http:req_del_header(name)
    local value = said[name] and values(said[name])[1]
    if value and value ~= "" then txn.http:req_add_header(name, value) end
  end
  for number, cookie in ipairs(values(said["set-cookie"] or {})) do
    txn:set_var("txn.vouchsafe_cookie_" .. number, cookie)
  end
  txn:set_var("txn.vouchsafe_user", said["auth-user"] and values(said["auth-user"])[1] or "")
end

core.register_action("vouchsafe", { "http-req" }, function(txn)
  local received = txn.http:req_get_headers()
  local asked, answer = pcall(function()
    return core.httpclient():get { url = CHECK, headers = question(txn, received), timeout = TIMEOUT_MS }
  end)
  local status = asked and answer and answer.status or 0
  if status == 200 then return pass(txn, received, answer.headers or {}) end
  if status < 300 or status >= 500 then return unavailable(txn) end
  local headers = answer.headers or {}
  local reason = headers["x-vouchsafe-reason"]
  txn:set_var("txn.vouchsafe_reason", reason and values(reason)[1] or "")
  reply(txn, status, headers, answer.body)
end, 0)
