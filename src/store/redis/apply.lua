-- Applies a batch or finds what contradicts it.
--
-- KEYS: the records in the order of the batch, then the indexes.
-- ARGV: how many records, now, whether the batch ends something, the prefix of indexes, where to publish; then for
-- each record: condition, revision, head, group and bytes, when Redis may forget it, its index among KEYS, expiry.
-- An empty head deletes. Answers {1, revisions} or {0, number, value}.
--
-- Whatever is compared is compared as a number: how strings compare depends on the server's locale.

local count, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local HEADER, TOLERANCE = 26, 60000

local function argument(record, number)
    return ARGV[5 + (record - 1) * 7 + number]
end

local function decimal(number)
    return string.format('%.0f', number)
end

local function tag(name)
    return string.match(name, ':{(%x%x)}:%x+$')
end

local function id(name)
    return string.sub(name, -64)
end

-- Where the row of a record with this header is.
local function index_of(header)
    if string.byte(header, 18) ~= 1 then return nil end
    local hex = string.gsub(string.sub(header, 19, 26), '.', function(byte)
        return string.format('%02x', string.byte(byte))
    end)
    return ARGV[4] .. '{' .. string.sub(hex, 1, 2) .. '}:' .. hex
end

local found = {}
for record = 1, count do
    local name = KEYS[record]
    local header = redis.call('GETRANGE', name, 0, HEADER - 1)
    local here = {}
    if header ~= '' then
        if string.byte(header) ~= 1 or #header < 18 then
            return redis.error_reply('DAMAGED ' .. name)
        end
        here.index = index_of(header)
        if struct.unpack('>I8', header, 2) > now then
            here.revision = struct.unpack('>I8', header, 10)
        end
    end
    found[name] = here
    local condition = argument(record, 1)
    local holds = condition == 'any' or (condition == 'absent' and not here.revision)
        or (condition == 'revision' and here.revision == tonumber(argument(record, 2)))
    if not holds then
        return {0, record, here.revision and redis.call('GET', name)}
    end
end

-- A script whose first write takes no memory is carried out even where there is none left.
if ARGV[3] == '1' and count > 0 then
    redis.call('DEL', KEYS[1])
end

local revisions, indexes, changed = {}, {}, {}
for record = 1, count do
    local name, head = KEYS[record], argument(record, 3)
    local here, index = found[name], nil
    if head == '' then
        redis.call('DEL', name)
        here.revision, revisions[record] = nil, 0
    else
        local revision = (here.revision or 0) + 1
        local value = head .. struct.pack('>I8', revision) .. argument(record, 4)
        redis.call('SET', name, value, 'PXAT', argument(record, 5))
        index = KEYS[tonumber(argument(record, 6))]
        if index then
            redis.call('ZADD', index, argument(record, 7), id(name))
            indexes[index] = true
        end
        revisions[record] = revision
        here.revision = tonumber(argument(record, 7)) > now and revision or nil
    end
    -- Elsewhere in a cluster a row that is left behind does no harm: who finds it looks at the record.
    if here.index and here.index ~= index and tag(here.index) == tag(name) then
        redis.call('ZREM', here.index, id(name))
    end
    here.index = index
    changed[record] = id(name)
end

for index in pairs(indexes) do
    redis.call('ZREMRANGEBYSCORE', index, '-inf', decimal(now - TOLERANCE))
    local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
    if last then
        redis.call('PEXPIREAT', index, decimal(tonumber(last) + TOLERANCE))
    end
end

if ARGV[5] ~= '' then
    redis.call('PUBLISH', ARGV[5], table.concat(changed))
end

return {1, revisions}
