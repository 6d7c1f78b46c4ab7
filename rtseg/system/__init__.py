"""Read facts about this computer: processor, versions, clocks, power and temperature."""
