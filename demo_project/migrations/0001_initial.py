import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Breed",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=50, unique=True)),
                ("origin", models.CharField(max_length=50)),
            ],
        ),
        migrations.CreateModel(
            name="Dog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("chip", models.BigIntegerField(help_text="ISO 11784: 15 digits", unique=True)),
                ("name", models.CharField(max_length=50)),
                ("born_on", models.DateField()),
                ("weight_kg", models.FloatField(help_text="None: never weighed", null=True)),
                ("is_vaccinated", models.BooleanField()),
                (
                    "breed",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="demo_project.breed"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
    ]
