"""Trading: one actor per broker, around pure books."""
