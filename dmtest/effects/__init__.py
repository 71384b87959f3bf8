"""How large departures are, on scales that do not saturate with n."""
