"""Two databases side by side: what differs, what that means, who is at fault, and what would remove it."""
