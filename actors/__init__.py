"""The actors of the service and the runtime that supervises them."""
