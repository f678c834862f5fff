module talkdesk-operator/sandbox/kind/pause

go 1.26.0
