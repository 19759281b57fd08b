"""What every wing builds on: errors, texts, jobs and events, files, records, settings, the log and the devices."""
