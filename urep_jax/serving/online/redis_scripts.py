"""What `RedisStore` has evaluated in the server: each script has its effect as a whole, or none."""

# A worker that stood still for so long that others have a partition of its may not change what they did meanwhile.
# KEYS: owners. ARGV: the worker, or nothing; its partitions.
_CLAIMED = """
if #ARGV[1] > 0 then
  for partition in string.gmatch(ARGV[2], '%d+') do
    if redis.call('HGET', KEYS[1], partition) ~= ARGV[1] then return -1 end
  end
end
"""

# One script for all of them, so that a server without room adds to all or to none. It counts up first: a server
# without room refuses that, but would refuse nothing after the removal of a mark.
# KEYS: owners, revisions, forgotten, users; then of each user its records, facts and revision.
# ARGV: the claim's two; whether the forgotten are known again; of each user its id, mark, records, number of facts,
# facts.
ADD = (
    _CLAIMED
    + """
local now = redis.call('INCR', KEYS[2])
local place, key, added = 4, 5, 0
while place <= #ARGV do
  local facts = tonumber(ARGV[place + 3])
  if ARGV[3] == '1' or redis.call('SISMEMBER', KEYS[3], ARGV[place + 1]) == 0 then
    redis.call('SREM', KEYS[3], ARGV[place + 1])
    redis.call('ZADD', KEYS[4], 0, ARGV[place])
    if #ARGV[place + 2] > 0 then redis.call('APPEND', KEYS[key], ARGV[place + 2]) end
    for fact = place + 4, place + 3 + facts do redis.call('SADD', KEYS[key + 1], ARGV[fact]) end
    redis.call('HSETNX', KEYS[key + 2], 'since', now)
    redis.call('HSET', KEYS[key + 2], 'now', now)
    added = added + 1
  end
  place, key = place + 4 + facts, key + 3
end
return added
"""
)

# Write a user's records anew, unless somebody added meanwhile.
# KEYS: owners, revisions, records, revision. ARGV: the claim's two; the revision that was read, the records, whether
# what is known is another state then.
REPLACE = (
    _CLAIMED
    + """
if redis.call('HGET', KEYS[4], 'now') ~= ARGV[3] then return 0 end
if #ARGV[4] > 0 then redis.call('SET', KEYS[3], ARGV[4]) else redis.call('DEL', KEYS[3]) end
if ARGV[5] == '1' then redis.call('HSET', KEYS[4], 'now', redis.call('INCR', KEYS[2])) end
return 1
"""
)

# KEYS: spaces, forgotten; then of each vector its space's, its user's revision.
# ARGV: of each its space's id, its user's id and mark, head and numbers.
WRITE = """
local stored, key = 0, 3
for place = 1, #ARGV, 4 do
  local space, user, new = ARGV[place], ARGV[place + 1], ARGV[place + 3]
  local as_of, revision = struct.unpack('<i8i8', new)
  local wanted
  if revision == 0 then
    wanted = redis.call('SISMEMBER', KEYS[2], ARGV[place + 2]) == 0
  else
    local since, now = unpack(redis.call('HMGET', KEYS[key + 1], 'since', 'now'))
    wanted = since and tonumber(since) <= revision and revision <= tonumber(now)
  end
  local there = wanted and redis.call('HGET', KEYS[key], user)
  if there then
    local old_as_of, old_revision = struct.unpack('<i8i8', there)
    wanted = as_of > old_as_of or (as_of == old_as_of and revision >= old_revision)
  end
  if wanted then
    redis.call('SADD', KEYS[1], space)
    redis.call('HSET', KEYS[key], user, new)
    stored = stored + 1
  end
  key = key + 2
end
return stored
"""

# The mark comes last: a server without room refuses it, unless something was removed in the same script.
# KEYS: owners, users, spaces, forgotten, the user's records, facts and revision.
# ARGV: the claim's two; the user's id and mark, what keys of spaces begin with.
FORGET = (
    _CLAIMED
    + """
local known = redis.call('ZREM', KEYS[2], ARGV[3]) + redis.call('DEL', KEYS[5], KEYS[6], KEYS[7])
for _, space in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  known = known + redis.call('HDEL', ARGV[5] .. space, ARGV[3])
end
redis.call('SADD', KEYS[4], ARGV[4])
return known
"""
)
