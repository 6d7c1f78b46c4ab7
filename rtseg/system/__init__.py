"""Facts about this computer: processor, versions, clocks, power and temperature."""
