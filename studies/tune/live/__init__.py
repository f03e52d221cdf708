"""Small networks that train in the background of the tuning page, each in a process of its own."""
