"""What leaves the collector to alarm people: Alertmanager, signed webhooks, mail and chats, a feed."""
