"""The rooms of the service: allocation, metrics, and the hall they share."""
