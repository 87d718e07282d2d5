# Makes koprogo-agent@.service of koprogo-agent.service: all in which the service of one of several
# stacks (install.sh --instance NAME) differs. The rest, its limits above all, is the same.
s|^# Keeps one KoproGo current\.|# Made by install.sh of koprogo-agent.service: keeps one of several KoproGo current.|
s|^# (koprogo-agent\.service\.d).*|# (koprogo-agent@NAME.service.d); your own go beside them: systemctl edit koprogo-agent@NAME|
s|^Description=.*|& (%i)|
# It reads its own configuration, and has state and lock of its own.
s|^User=|Environment=KOPROGO_AGENT_CONFIG=/etc/koprogo-agent/%i/config.toml\n&|
s|^StateDirectory=koprogo-agent$|&-%i|
s|^RuntimeDirectory=koprogo-agent$|&-%i|
# The agent is brought up to date, and put back on the version before, by the service without a
# name alone. So this one needs no way to write there, and instead of a rescue it tries for ever.
/^ReadWritePaths=\/opt\/koprogo-agent$/d
/^# Five failures in ten minutes/d
/^OnFailure=/d
/^StartLimitBurst=/d
s|^StartLimitIntervalSec=.*|StartLimitIntervalSec=0|
s|^RestartSec=.*|RestartSec=10s|
