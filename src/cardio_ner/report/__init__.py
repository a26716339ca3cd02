"""What a person looks at: highlighted records and SQL answers. No torch, no Spark."""
