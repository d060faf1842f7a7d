"""The mechanism under every actor: mailboxes, handles, supervision, time. It knows no feature."""
