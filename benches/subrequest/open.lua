-- wrk script: logs users in at the portal and writes their session ids, one a line.
-- wrk ... -s open.lua URL -- COUNT FILE

local opened, asked = 0, 0
local wanted, file

function init(args)
  wanted, file = tonumber(args[1]), assert(io.open(args[2], "w"))
end

function request()
  asked = asked + 1
  return wrk.format("POST", "/", {
    ["Host"] = "auth.example.com",
    ["CN"] = "user" .. asked,
    ["User-Email"] = "user" .. asked .. "@example.com",
    ["Auth-Groups"] = "admins; users; timelords",
    ["control"] = "opensesame",
    ["X-Forwarded-For"] = "10.0.0.1",
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["Accept"] = "application/json",
  }, "lmAuth=2_Slave")
end

function response(status, _, body)
  local id = body:match('"id":"(%x+)"')
  if status ~= 200 or not id then
    io.stderr:write("login refused: ", status, " ", body, "\n")
    wrk.thread:stop()
  elseif opened < wanted then
    opened = opened + 1
    file:write(id, "\n")
    if opened == wanted then
      file:close()
      wrk.thread:stop()
    end
  end
end
