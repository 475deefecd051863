"""What the engines share, and what none of the suite's cases sees of one."""
