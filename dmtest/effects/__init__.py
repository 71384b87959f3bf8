"""How large departures are, with intervals, on scales that do not grow with n."""
