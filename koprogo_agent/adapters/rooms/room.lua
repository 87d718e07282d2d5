-- The door of a waiting room, and the requests by which the agent works it.
--
-- What the agent last asked for is kept in a file: a room that restarts goes on as it was.

local ROOM = os.getenv("KOPROGO_ROOM")
local LIMIT = tonumber(os.getenv("KOPROGO_ROOM_LIMIT"))
local DOOR = os.getenv("KOPROGO_ROOM_DOOR")
local STATE = ROOM .. "/state"
local STEP_MS = 50

local closed, leaving, address = DOOR == "closed", false, nil
local longest, late = 0, 0
-- Request -> when it last looked at the door: one whose client has gone looks no more.
local waiting, requests = {}, 0
local FORGOTTEN = 1

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
    closed, leaving = door == "closed", stay == "leaving"
    if where ~= "-" then address = where end
end

remember()

-- Once the servers exist.
core.register_task(function()
    if address ~= nil then lead_to(address) end
end)

local function since(began)
    local now = core.now()
    return (now.sec - began.sec) + (now.usec - began.usec) / 1000000
end

core.register_action("hold", { "http-req" }, function(txn)
    if not closed then return end
    -- When the client goes away, HAProxy ends this action early and goes on with the request: what
    -- is still marked then must not reach the application, least of all behind a closed door.
    txn:set_var("txn.held", "yes")
    local began = core.now()
    requests = requests + 1
    local me = requests
    while closed do
        if since(began) >= LIMIT then
            late, waiting[me] = late + 1, nil
            txn:unset_var("txn.held")
            txn:set_var("txn.late", true)
            return
        end
        waiting[me] = core.now()
        core.msleep(STEP_MS)
    end
    waiting[me] = nil
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
        '{"closed":%s,"leaving":%s,"held":%d,"passing":%d,"longest":%.3f,"late":%d,"address":"%s"}',
        closed, leaving, held(), tonumber(application.scur) + tonumber(application.qcur),
        longest, late, address or "")
end

local function act(verb, query)
    if verb == "close" then
        closed = true
    elseif verb == "open" then
        if not lead_to(query) then return false end
        closed = false
    elseif verb == "leave" then
        leaving = true
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
