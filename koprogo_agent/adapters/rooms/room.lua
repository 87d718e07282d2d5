-- The door of a waiting room, and the requests by which the agent works it.
--
-- What the agent last asked for is kept in a file: a room that restarts goes on as it was.

local ROOM = os.getenv("KOPROGO_ROOM")
local LIMIT = tonumber(os.getenv("KOPROGO_ROOM_LIMIT"))
local DOOR = os.getenv("KOPROGO_ROOM_DOOR")
local STATE = ROOM .. "/state"
-- Requests a second that the ingress lets one client make; 0 is no limit.
local PACE = tonumber(os.getenv("KOPROGO_ROOM_PACE")) or 0
local STEP_MS = 50

local closed, leaving, address = DOOR == "closed", false, nil
local longest, late = 0, 0
-- When it began to give its route back, or began to run since.
local left = nil
-- Request -> when it last looked at the door: one whose client has gone looks no more.
local waiting, requests = {}, 0
local FORGOTTEN = 1
-- After the door was opened: request -> seconds after which it is its turn, and the next one's.
local closed_at, opened, paced, turns, next_turn = nil, nil, 0, {}, 0

local function set_leaving(now)
    left = now and (left or core.now()) or nil
    leaving = now
end

local function keep()
    local file = io.open(STATE .. ".new", "w")
    if file == nil then return false end
    file:write(closed and "closed" or "open", " ", leaving and "leaving" or "staying", " ", address or "-", "\n")
    file:close()
    return os.rename(STATE .. ".new", STATE)
end

local function lead_to(where)
    local ip, port = where:match("^(.*):(%d+)$")
    if ip == nil then return false end
    core.backends["application"].servers["one"]:set_addr(ip, tonumber(port))
    address = where
    return true
end

-- Before the first request: a room that restarts must not let anybody through a closed door.
local function remember()
    local file = io.open(STATE, "r")
    if file == nil then return end
    local door, stay, where = (file:read("l") or ""):match("^(%a+) (%a+) (%S+)$")
    file:close()
    if door == nil then return end
    closed = door == "closed"
    set_leaving(stay == "leaving")
    if where ~= "-" then address = where end
end

remember()

-- Once the servers exist.
core.register_task(function()
    if address ~= nil then lead_to(address) end
    if closed then closed_at = core.now() end
end)

local function since(began)
    local now = core.now()
    return (now.sec - began.sec) + (now.usec - began.usec) / 1000000
end

-- Users who waited send at once what they could not send meanwhile. All of it on the application's
-- heels would be more than the ingress lets one client send, and it would answer 429. Who has
-- waited longest goes first. Others may be at work whom no limit concerns, so it ends.
local function is_paced()
    return PACE > 0 and opened ~= nil and since(opened) < paced
end

local function give_turn(request)
    turns[request] = math.max(next_turn, since(opened))
    next_turn = turns[request] + 1 / PACE
end

-- Milliseconds until it is a request's turn, 0 when it is.
local function until_turn(request)
    if not is_paced() then return 0 end
    if turns[request] == nil then give_turn(request) end
    return math.ceil(math.max(turns[request] - since(opened), 0) * 1000)
end

local function note_opening()
    if closed_at == nil then return end
    opened, paced, turns, next_turn = core.now(), 2 * since(closed_at), {}, 0
    closed_at = nil
    if PACE == 0 then return end
    local order = {}
    for request in pairs(waiting) do order[#order + 1] = request end
    table.sort(order)
    for _, request in ipairs(order) do give_turn(request) end
end

core.register_action("hold", { "http-req" }, function(txn)
    if not closed and not is_paced() then return end
    -- When the client goes away, HAProxy ends this action early and goes on with the request: what
    -- is still marked then must not reach the application, least of all behind a closed door.
    txn:set_var("txn.held", "yes")
    local began = core.now()
    requests = requests + 1
    local me = requests
    while true do
        local pause = closed and STEP_MS or until_turn(me)
        if not closed and pause == 0 then break end
        if closed and since(began) >= LIMIT then
            late, waiting[me] = late + 1, nil
            txn:unset_var("txn.held")
            txn:set_var("txn.late", true)
            return
        end
        waiting[me] = core.now()
        core.msleep(math.min(pause, STEP_MS))
    end
    waiting[me], turns[me] = nil, nil
    txn:unset_var("txn.held")
    longest = math.max(longest, since(began))
end)

local function held()
    local count = 0
    for request, looked in pairs(waiting) do
        if since(looked) > FORGOTTEN then waiting[request] = nil else count = count + 1 end
    end
    return count
end

local function state()
    local application = core.backends["application"]:get_stats()
    return string.format(
        '{"closed":%s,"leaving":%s,"left":%d,"held":%d,"passing":%d,"longest":%.3f,"late":%d,"address":"%s"}',
        closed, leaving, left and math.floor(since(left)) or 0, held(),
        tonumber(application.scur) + tonumber(application.qcur), longest, late, address or "")
end

local function act(verb, query)
    if verb == "close" then
        closed, closed_at, opened = true, closed_at or core.now(), nil
    elseif verb == "open" then
        if not lead_to(query) then return false end
        closed = false
        note_opening()
    elseif verb == "leave" then
        set_leaving(true)
    else
        return false
    end
    return keep()
end

core.register_service("control", "http", function(applet)
    local verb = applet.path:match("([^/]*)$")
    local status, body = 200, "room"
    if applet.method == "POST" then
        if not act(verb, applet.qs) then status, body = 400, "cannot do that" end
    elseif verb == "health" then
        if leaving then status, body = 503, "leaving" end
    elseif verb == "state" then
        body = state()
    elseif verb ~= "here" then
        status, body = 404, "no such thing"
    end
    applet:set_status(status)
    applet:add_header("content-length", tostring(#body))
    applet:add_header("cache-control", "no-store")
    applet:start_response()
    applet:send(body)
end)
