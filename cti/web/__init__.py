"""What people and programs see of the line: pages, the agent websocket, the HTTP API."""
