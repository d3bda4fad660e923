"""What `tollgate doctor` looks at: each check is one function from the settings to its findings."""
