"""What program text says in constants: string literals, and chains of calls such as ``client.from('users').insert()``.

Tests and seed scripts are read with it. Nothing is run, nothing is imported, no type is known.
"""
